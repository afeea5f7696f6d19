// The codes of a table: made when there are enough vectors to know their centre, and kept beside
// every row from then on.

#include <algorithm>
#include <numeric>

#include "engine/table.h"
#include "kernels/code_kernels.h"

namespace vitrine {
namespace {

// Vectors from which a centre is known well enough.
constexpr size_t kSample = kCodesFrom;
constexpr size_t kMaxRowsWalked = 32;
// Rotation makes components alike, and the error known, from so many dimensions on.
constexpr size_t kMinRotated = 96;
// Estimates that are less exact, against how far apart neighbours are, cost recall.
constexpr double kMaxDoubt = 0.055;
// Words of the bitmap of rows that a thread encodes at a time: a millisecond or two.
constexpr size_t kWordsEncoded = 4;
// Of the sample, so many are looked at as queries.
constexpr size_t kQueries = 50;

}  // namespace

bool Table::CodesAreDue() const {
  if (options_.quantization == Quantization::kNone || codes_decided_ || size() < kSample) {
    return false;
  }
  return options_.quantization != Quantization::kAuto || IsWorthCoding();
}

// Rows of few dimensions are as fast as codes; bytes are a code already, an exact one.
bool Table::IsWorthCoding() const {
  return dimension() > kMaxRowsWalked && ElementBytes(type()) > 1;
}

void Table::MakeCodesWhenDue() {
  if (CodesAreDue()) MakeCodes();
}

void Table::MakeCodes() {
  std::vector<Slot> sample;
  sample.reserve(kSample);
  ForEachRow(0, (SlotLimit() + 63) / 64, [&](Slot slot) {
    if (sample.size() < kSample && !zero_.Test(slot)) sample.push_back(slot);
  });
  std::vector<float> rows(sample.size() * dimension());
  for (size_t i = 0; i < sample.size(); ++i) {
    ToFloats(type(), vectors_.Row(sample[i]), dimension(), rows.data() + i * dimension());
  }
  const std::vector<float> centre = CodeCentreOf(rows, dimension(), metric());

  const Quantization chosen = ChooseQuantization(sample, centre);
  if (chosen == Quantization::kNone) {
    codes_decided_ = true;
  } else {
    // Without codes searches are as right, only slower, and the next write tries again.
    MaintenanceRun run(maintenance_, Maintenance::kQuantize);
    if (MakeCodesAround(centre, chosen)) run.Succeeded();
  }
}

void Table::EncodeRows(CodeStore& codes) const {
  std::vector<RowWork> works(Parallelism());
  const size_t words = (SlotLimit() + 63) / 64;
  const size_t steps = (words + kWordsEncoded - 1) / kWordsEncoded;
  ParallelFor(pool_, works.size(), steps, [&](size_t worker, size_t step) {
    RowWork& work = works[worker];
    const size_t first = step * kWordsEncoded;
    ForEachRow(first, std::min(first + kWordsEncoded, words), [&](Slot slot) {
      codes.Put(slot, vectors_.AsFloats(vectors_.Row(slot), work.floats), work.centred);
    });
  });
}

std::unique_ptr<CodeStore> Table::NewCodes(std::span<const float> centre, Quantization kind,
                                           PageRegion* region) const {
  const CodeStore::Options options{
      .dimension = dimension(),
      .metric = metric(),
      .kind = kind == Quantization::kRq4 ? CodeKind::kRq4 : CodeKind::kSq8,
      .centre = centre,
  };
  auto store = std::make_unique<CodeStore>(options, SelectCodeKernels(kernels_.set).codes);
  return store->Grow(SlotLimit(), region) ? std::move(store) : nullptr;
}

bool Table::MakeCodesAround(std::span<const float> centre, Quantization kind) {
  std::unique_ptr<CodeStore> store = NewCodes(centre, kind);
  if (store == nullptr) return false;
  EncodeRows(*store);
  UseCodes(std::move(store));
  return true;
}

void Table::UseCodes(std::unique_ptr<CodeStore> store) {
  code_store_ = std::move(store);
  codes_decided_ = true;
  graph_.UseCodes(*code_store_);
  CopyBytesIfWhole();
  // Release; partner: the acquire in searches, which then find a code in every row.
  codes_.store(code_store_.get(), std::memory_order_release);
}

// The measured rule of docs/decisions/0004-codes.md.
Quantization Table::ChooseQuantization(std::span<const Slot> sample,
                                       std::span<const float> centre) const {
  if (options_.quantization != Quantization::kAuto) return options_.quantization;
  if (!IsWorthCoding()) return Quantization::kNone;
  if (dimension() < kMinRotated) return Quantization::kSq8;
  const CodeStore::Options options{
      .dimension = dimension(), .metric = metric(), .kind = CodeKind::kRq4, .centre = centre};
  CodeStore codes(options, SelectCodeKernels(kernels_.set).codes);
  std::vector<float> work;
  // Rows by their place in the sample.
  if (!codes.Grow(sample.size())) return Quantization::kSq8;
  for (size_t i = 0; i < sample.size(); ++i) {
    codes.Put(static_cast<Slot>(i), vectors_.AsFloats(vectors_.Row(sample[i]), work));
  }
  CodeQuery query;
  std::vector<RowRef> refs(sample.size() + 3);
  std::vector<float> distances(sample.size() + 3);
  std::vector<Slot> order(sample.size());
  double deviations = 0;
  double gaps = 0;
  for (size_t i = 0; i < sample.size(); i += std::max<size_t>(1, sample.size() / kQueries)) {
    const VectorScorer exact = vectors_.ScorerFor(sample[i]);
    for (size_t j = 0; j < sample.size(); ++j) refs[j] = exact.Ref(sample[j]);
    exact.Score(refs.data(), sample.data(), sample.size(), distances.data());
    std::iota(order.begin(), order.end(), Slot{0});
    const size_t far = std::min<size_t>(100, sample.size() - 1);
    const size_t near = std::min<size_t>(10, far);
    std::partial_sort(order.begin(), order.begin() + static_cast<ptrdiff_t>(far) + 1, order.end(),
                      [&](Slot a, Slot b) { return distances[a] < distances[b]; });
    gaps += double{distances[order[far]]} - distances[order[near]];
    codes.Prepare(vectors_.AsFloats(vectors_.Row(sample[i]), work), query);
    const CodeScorer scorer = codes.ScorerFor(query);
    double sum = 0;
    // The nearest is the query itself.
    for (size_t j = 1; j <= near; ++j) {
      sum += scorer.Deviation(order[j], scorer.ScoreOne(order[j]));
    }
    deviations += sum / static_cast<double>(near);
  }
  return deviations < kMaxDoubt * gaps ? Quantization::kRq4 : Quantization::kSq8;
}

Quantization Table::quantization_used() const {
  const CodeStore* const codes = codes_.load(std::memory_order_acquire);
  if (codes == nullptr) return Quantization::kNone;
  return codes->kind() == CodeKind::kRq4 ? Quantization::kRq4 : Quantization::kSq8;
}

}  // namespace vitrine
