#include "index/pair_distances.h"

namespace vitrine {

PairDistances::PairDistances(const VectorStore& vectors, size_t capacity)
    : vectors_(vectors), rows_(capacity + 4), code_rows_(capacity + 4) {}

void PairDistances::UseCodes(const CodeStore& codes) {
  if (vectors_.vector_bytes() <= kShortVector) return;
  codes.MakeRoom(query_);
  codes_ = &codes;
}

bool PairDistances::Resolve(const CodeScorer& from, Slot centre, Slot near, float estimate) const {
  const double deviation = from.Deviation(near, estimate);
  if (vectors_.metric() != Metric::kIp) return estimate > kMinResolution * deviation;
  // In f64: norms of real data range over many orders.
  const double c = vectors_.Norm(centre), p = vectors_.Norm(near);
  return c * c + p * p + 2 * estimate > kMinResolution * 2 * deviation;
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
