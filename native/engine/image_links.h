#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/slot.h"
#include "engine/slot_set.h"
#include "index/graph.h"

namespace vitrine {

// The links of an image of a graph: those between the nodes that are in it. Others may change the
// graph meanwhile.
class ImageLinks {
 public:
  // Says whether the links of nodes, each added once and in any order, are the same as at another
  // time. Two differences may hide each other once in 2^32.
  class Digest {
   public:
    void Add(Slot slot, std::span<const uint32_t> words);
    friend bool operator==(const Digest&, const Digest&) = default;

   private:
    uint64_t sum_ = 0;
  };

  // Both outlive the object.
  //   nodes  those of the image, numbered
  ImageLinks(const Graph& graph, const SlotSet& nodes) : graph_(graph), nodes_(nodes) {}

  // The words of a node as they are now, without those that lead out of the image and those that
  // no reader of files takes. Every word keeps its place, so that walks meet neighbours in the same
  // order.
  //   words  [graph.width()]
  // REQUIRES: the node is in the image
  void Read(Slot slot, std::span<uint32_t> words) const;

  // Whether the links that `written` was made of lead from each of `entries` to every node. Says no
  // where it cannot tell: when links have changed since, where there is a long way from an entry to
  // another, or once `cancelled`, which may be null. Takes three bits of memory a slot.
  bool LeadEverywhere(std::span<const Slot> entries, const Digest& written,
                      const std::atomic<bool>* cancelled) const;

 private:
  // A bit a slot.
  using Marks = std::vector<bool>;

  bool AllLeadTo(Slot root, std::span<const Slot> entries,
                 const std::atomic<bool>* cancelled) const;
  // How many nodes `root` leads to, itself included; each is added to `read`.
  size_t CountReached(Slot root, Digest& read, const std::atomic<bool>* cancelled) const;

  const Graph& graph_;
  const SlotSet& nodes_;
};

}  // namespace vitrine
