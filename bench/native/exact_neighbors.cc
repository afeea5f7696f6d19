// Exact nearest neighbours by a full scan: the ground truth that no engine under test has a hand
// in.
//
//   exact_neighbors BASE QUERIES DIM METRIC DEPTH IDS DISTANCES [ALLOWED]
//
//   BASE, QUERIES  raw little-endian f32, [rows * DIM]
//   METRIC         l2 (squared), cosine (1 - cos; a zero vector is at 1 from everything) or ip
//   (-dot) DEPTH          neighbours a query; fewer rows than that leave row 4294967295 at distance
//   +inf IDS            written: u32 [queries * DEPTH], nearest first, ties by lower row DISTANCES
//   written: f64 [queries * DEPTH] ALLOWED        raw u32 rows, the only ones looked at
//
// Rows are scanned in f32, and DEPTH + 32 survivors of each query are ranked again in f64.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

constexpr size_t kLanes = 16;
constexpr size_t kQueriesAtOnce = 4;
constexpr size_t kSlack = 32;
constexpr uint32_t kNoRow = std::numeric_limits<uint32_t>::max();

enum class Metric { kL2, kCosine, kIp };

template <typename T>
struct Scored {
  T distance;
  uint32_t row;
  bool operator<(const Scored& other) const {
    return std::pair(distance, row) < std::pair(other.distance, other.row);
  }
};

template <typename T>
std::optional<std::vector<T>> ReadAll(const char* path) {
  std::FILE* file = std::fopen(path, "rb");
  if (file == nullptr) return std::nullopt;
  std::vector<T> values;
  std::vector<T> chunk(1 << 20);
  size_t got = 0;
  while ((got = std::fread(chunk.data(), sizeof(T), chunk.size(), file)) > 0) {
    values.insert(values.end(), chunk.begin(), chunk.begin() + static_cast<std::ptrdiff_t>(got));
  }
  const bool failed = std::ferror(file) != 0;
  std::fclose(file);
  if (failed) return std::nullopt;
  return values;
}

template <typename T>
bool WriteAll(const char* path, const std::vector<T>& values) {
  std::FILE* file = std::fopen(path, "wb");
  if (file == nullptr) return false;
  const bool written = std::fwrite(values.data(), sizeof(T), values.size(), file) == values.size();
  return (std::fclose(file) == 0) && written;
}

std::optional<Metric> ParseMetric(std::string_view name) {
  if (name == "l2") return Metric::kL2;
  if (name == "cosine") return Metric::kCosine;
  if (name == "ip") return Metric::kIp;
  return std::nullopt;
}

// Sums of one row against kQueriesAtOnce queries. Independent lanes, so that the compiler may
// vectorise without reordering.
template <bool kDifference>
void Sums(const float* queries, const float* row, size_t dim, float* out) {
  float lanes[kQueriesAtOnce][kLanes] = {};
  size_t d = 0;
  for (; d + kLanes <= dim; d += kLanes) {
    for (size_t q = 0; q < kQueriesAtOnce; ++q) {
      for (size_t lane = 0; lane < kLanes; ++lane) {
        const float a = queries[q * dim + d + lane];
        const float b = row[d + lane];
        lanes[q][lane] += kDifference ? (a - b) * (a - b) : a * b;
      }
    }
  }
  for (size_t q = 0; q < kQueriesAtOnce; ++q) {
    float sum = 0;
    for (const float lane : lanes[q]) sum += lane;
    for (size_t rest = d; rest < dim; ++rest) {
      const float a = queries[q * dim + rest];
      const float b = row[rest];
      sum += kDifference ? (a - b) * (a - b) : a * b;
    }
    out[q] = sum;
  }
}

double Dot(const float* a, const float* b, size_t dim) {
  double sum = 0;
  for (size_t d = 0; d < dim; ++d) sum += static_cast<double>(a[d]) * static_cast<double>(b[d]);
  return sum;
}

double ExactDistance(Metric metric, const float* query, const float* row, size_t dim) {
  if (metric == Metric::kIp) return -Dot(query, row, dim);
  if (metric == Metric::kCosine) {
    const double norms = std::sqrt(Dot(query, query, dim)) * std::sqrt(Dot(row, row, dim));
    return norms == 0 ? 1 : 1 - Dot(query, row, dim) / norms;
  }
  double sum = 0;
  for (size_t d = 0; d < dim; ++d) {
    const double difference = static_cast<double>(query[d]) - static_cast<double>(row[d]);
    sum += difference * difference;
  }
  return sum;
}

class Scan {
 public:
  Scan(Metric metric, size_t dim, size_t depth, const std::vector<float>& base,
       std::optional<std::vector<uint32_t>> allowed)
      : metric_(metric), dim_(dim), depth_(depth), base_(base), allowed_(std::move(allowed)) {
    if (metric_ != Metric::kCosine) return;
    inverse_norms_.resize(base_.size() / dim_);
    for (size_t row = 0; row < inverse_norms_.size(); ++row) {
      const double norm = std::sqrt(Dot(Row(row), Row(row), dim_));
      inverse_norms_[row] = norm == 0 ? 0 : static_cast<float>(1 / norm);
    }
  }

  // Appends the neighbours of `count` <= kQueriesAtOnce queries, which lie one after the other; the
  // block is padded to full width.
  void Run(const float* queries, size_t count, std::vector<uint32_t>& ids,
           std::vector<double>& distances) const {
    std::vector<std::vector<Scored<float>>> heaps(count);
    const size_t rows = allowed_ ? allowed_->size() : base_.size() / dim_;
    float sums[kQueriesAtOnce];
    for (size_t i = 0; i < rows; ++i) {
      const uint32_t row = allowed_ ? (*allowed_)[i] : static_cast<uint32_t>(i);
      if (metric_ == Metric::kL2) {
        Sums<true>(queries, Row(row), dim_, sums);
      } else {
        Sums<false>(queries, Row(row), dim_, sums);
      }
      for (size_t q = 0; q < count; ++q) Offer(heaps[q], {Comparable(sums[q], row), row});
    }
    for (size_t q = 0; q < count; ++q) Rank(queries + q * dim_, heaps[q], ids, distances);
  }

 private:
  const float* Row(size_t row) const { return base_.data() + row * dim_; }

  // Orders as the metric does; the query's own norm is left out of cosine.
  float Comparable(float sum, uint32_t row) const {
    if (metric_ == Metric::kL2) return sum;
    return metric_ == Metric::kIp ? -sum : -sum * inverse_norms_[row];
  }

  void Offer(std::vector<Scored<float>>& heap, Scored<float> candidate) const {
    if (heap.size() < depth_ + kSlack) {
      heap.push_back(candidate);
      std::push_heap(heap.begin(), heap.end());
    } else if (candidate < heap.front()) {
      std::pop_heap(heap.begin(), heap.end());
      heap.back() = candidate;
      std::push_heap(heap.begin(), heap.end());
    }
  }

  void Rank(const float* query, const std::vector<Scored<float>>& heap, std::vector<uint32_t>& ids,
            std::vector<double>& distances) const {
    std::vector<Scored<double>> ranked;
    ranked.reserve(heap.size());
    for (const auto& survivor : heap) {
      ranked.push_back({ExactDistance(metric_, query, Row(survivor.row), dim_), survivor.row});
    }
    std::sort(ranked.begin(), ranked.end());
    ranked.resize(depth_, {std::numeric_limits<double>::infinity(), kNoRow});
    for (const auto& neighbor : ranked) {
      ids.push_back(neighbor.row);
      distances.push_back(neighbor.distance);
    }
  }

  const Metric metric_;
  const size_t dim_;
  const size_t depth_;
  const std::vector<float>& base_;
  const std::optional<std::vector<uint32_t>> allowed_;
  std::vector<float> inverse_norms_;
};

int Fail(const std::string& message) {
  std::fprintf(stderr, "exact_neighbors: %s\n", message.c_str());
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 8 && argc != 9) {
    return Fail("usage: BASE QUERIES DIM METRIC DEPTH IDS DISTANCES [ALLOWED]");
  }
  const size_t dim = std::strtoul(argv[3], nullptr, 10);
  const size_t depth = std::strtoul(argv[5], nullptr, 10);
  const auto metric = ParseMetric(argv[4]);
  if (dim == 0 || depth == 0 || !metric) return Fail("bad DIM, METRIC or DEPTH");

  const auto base = ReadAll<float>(argv[1]);
  auto queries = ReadAll<float>(argv[2]);
  if (!base || !queries) return Fail("cannot read BASE or QUERIES");
  if (base->size() % dim != 0 || queries->size() % dim != 0) return Fail("torn BASE or QUERIES");
  std::optional<std::vector<uint32_t>> allowed;
  if (argc == 9) {
    allowed = ReadAll<uint32_t>(argv[8]);
    if (!allowed) return Fail("cannot read ALLOWED");
    for (const uint32_t row : *allowed) {
      if (row >= base->size() / dim) return Fail("ALLOWED names a row that BASE has not");
    }
  }

  const size_t query_count = queries->size() / dim;
  queries->resize(queries->size() + (kQueriesAtOnce - 1) * dim);
  const Scan scan(*metric, dim, depth, *base, std::move(allowed));
  std::vector<uint32_t> ids;
  std::vector<double> distances;
  for (size_t first = 0; first < query_count; first += kQueriesAtOnce) {
    const size_t count = std::min(kQueriesAtOnce, query_count - first);
    scan.Run(queries->data() + first * dim, count, ids, distances);
  }
  if (!WriteAll(argv[6], ids) || !WriteAll(argv[7], distances)) return Fail("cannot write");
  return 0;
}
