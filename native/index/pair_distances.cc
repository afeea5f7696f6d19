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
    for (size_t i = 0; i < to.size(); ++i) rows_[i] = vectors_.Row(to[i]);
    vectors_.ScorerFor(from).Score(rows_.data(), to.data(), to.size(), distances);
    return;
  }
  for (size_t i = 0; i < to.size(); ++i) code_rows_[i] = codes_->Row(to[i]);
  codes_->Prepare(from, query_);
  codes_->ScorerFor(query_).Score(code_rows_.data(), to.data(), to.size(), distances);
}

}  // namespace vitrine
