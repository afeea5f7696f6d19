#pragma once

// What tests of walks share.

#include <gtest/gtest.h>

#include <vector>

#include "index/walk.h"

namespace vitrine {

// The scalar kernels under every form of the loop: distances are then the same bit for bit.
inline const KernelTable& ScalarKernels() { return *SelectKernels("scalar"); }

// The forms that this processor runs; the portable one comes last.
inline std::vector<const WalkTable*> Forms() {
  std::vector<const WalkTable*> forms;
  for (const KernelTable* const kernels : KernelTables()) {
    if (kernels->supported()) forms.push_back(&WalksFor(kernels->set));
  }
  return forms;
}

// Rows on a line, without links: a walk is then one insertion after the other into the pool.
struct Line {
  explicit Line(const std::vector<float>& places, Metric metric = Metric::kIp)
      : vectors(1, metric, ScalarKernels()), links(16) {
    EXPECT_TRUE(vectors.Grow(places.size() + 1) && links.Grow(places.size() + 1));
    for (Slot slot = 0; slot < places.size(); ++slot) {
      vectors.Put(slot, &places[slot]);
      for (size_t i = 0; i < 16; ++i) links.Store(slot, i, kNoSlot);
    }
  }
  VectorStore vectors;
  Links links;
};

}  // namespace vitrine
