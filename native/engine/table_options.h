#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>

#include "engine/best_hits.h"
#include "engine/point_filter.h"
#include "engine/quantization.h"
#include "index/graph.h"
#include "index/metric.h"
#include "index/vector_place.h"
#include "index/vector_type.h"
#include "index/walk.h"

// What may be asked of a table.

namespace vitrine {

inline constexpr size_t kMaxK = 10'000;
inline constexpr size_t kMaxEf = 16'384;

enum class IdType : uint8_t { kU32 = 0, kU64 = 1 };

struct TableOptions {
  size_t dimension = 0;  // 1 ... kMaxDimension
  VectorType type = VectorType::kF32;
  Metric metric = Metric::kL2;
  IdType id_type = IdType::kU32;
  GraphOptions graph;
  Quantization quantization = Quantization::kNone;
  // kMapped: rows may lie in a file (engine/table_remap.h), and those that are written lie in
  // memory.
  VectorPlace vectors = VectorPlace::kMemory;
  size_t threads = 1;   // of the pool, for one write or batch
  size_t capacity = 0;  // points to make room for at once
};

// What may end a write early, and who hears of its progress.
struct WriteControl {
  const std::atomic<bool>* cancelled = nullptr;
  std::function<void(size_t done, size_t total)> on_progress;  // on the writing thread

  bool is_cancelled() const {
    return cancelled != nullptr && cancelled->load(std::memory_order_relaxed);
  }
};

struct SearchParameters {
  size_t k = 10;  // 1 ... kMaxK
  size_t ef = 0;  // beam width, at most kMaxEf; 0: max(k, 64)
  // Instead of a beam width the share of the true neighbours to be found, between 0 and 1; 0: none
  // asked for. Not together with `exact`; together with `ef` once the table has found the width.
  double recall = 0;
  bool exact = false;
  const PointFilter* filter = nullptr;
  const PointOrder* ties = nullptr;  // of points at the same distance; null: by lower id
  SearchControl control;
};

}  // namespace vitrine
