#include "index/pair_distances.h"

namespace vitrine {

PairDistances::PairDistances(const VectorStore& vectors, size_t capacity)
    : vectors_(vectors), rows_(capacity + 4), code_rows_(capacity + 4) {}

void PairDistances::UseCodes(const CodeStore& codes) {
  // Under inner product the deviations of long vectors drown the distances of short ones.
  if (codes.metric() == Metric::kIp) return;
  codes.MakeRoom(query_);
  codes_ = &codes;
}

void PairDistances::Score(Source source, Slot from, std::span<const Slot> to, float* distances) {
  if (to.empty()) return;
  if (source == Source::kVectors) {
    Locate(to, rows_.data());
    Score(from, to, rows_.data(), distances);
  } else {
    Locate(to, code_rows_.data());
    Score(from, to, code_rows_.data(), distances);
  }
}

}  // namespace vitrine
