// Reading on demand: what an index with mapped vectors need not know before it is searched.

#include <utility>

#include "base/byte_order.h"
#include "engine/table_loader.h"

namespace vitrine {

// Files have not always had all that follows from their vectors. Nor is it known of every graph
// whether walks reach all of it.
bool TableLoader::CanBeLazy() const {
  if (!is_mapped() || config_.rows == 0 || outsiders_ == nullptr) return false;
  const auto metric = static_cast<Metric>(config_.metric);
  const bool has_factors = metric != Metric::kL2 && metric != Metric::kHamming;
  return (factors_ != nullptr) == has_factors && (codes_ != nullptr) == (centre_ != nullptr);
}

Status TableLoader::ReadOutsiders() {
  const auto metric = static_cast<Metric>(config_.metric);
  const bool may_have = metric == Metric::kCosine || metric == Metric::kJaccard;
  uint64_t next = 0;
  return ForEach(*outsiders_, [&](const Elements& elements) {
    for (uint64_t i = 0; i < elements.count; ++i) {
      const uint64_t element = elements.first + i;
      const Slot slot = LoadLittleEndian<uint32_t>(elements.bytes.data() + sizeof(uint32_t) * i);
      if (!may_have) return Corrupt(*outsiders_, element, "no row is outside under this metric");
      if (slot >= config_.rows) return Corrupt(*outsiders_, element, "there is no such row");
      if (slot < next) return Corrupt(*outsiders_, element, "rows are not in order");
      next = uint64_t{slot} + 1;
      table_->zero_.Set(slot);
    }
    table_->zero_count_.fetch_add(elements.count, std::memory_order_release);
    return Status();
  });
}

// The same of a table that knows its zero vectors by itself.
Status TableLoader::CheckOutsiders() const {
  if (outsiders_ == nullptr) return {};
  if (outsiders_->count != table_->zero_count_.load(std::memory_order_relaxed)) {
    return Corrupt(*outsiders_, 0, kOtherOutsiders);
  }
  uint64_t next = 0;
  return ForEach(*outsiders_, [&](const Elements& elements) {
    for (uint64_t i = 0; i < elements.count; ++i) {
      const Slot slot = LoadLittleEndian<uint32_t>(elements.bytes.data() + sizeof(uint32_t) * i);
      if (slot < next || slot >= config_.rows || !table_->zero_.Test(slot)) {
        return Corrupt(*outsiders_, elements.first + i, kOtherOutsiders);
      }
      next = uint64_t{slot} + 1;
    }
    return Status();
  });
}

void TableLoader::LeaveLinks() {
  table_->graph_.RestoreLazily(
      static_cast<size_t>(config_.rows), table_->zero_,
      Leave(Section(SectionType::kLinks),
            [this](const Elements& elements) { return CheckLinks(elements, &Graph::StoreNode); }));
}

// A code is of no use without what stands beside it.
void TableLoader::LeaveCodes(CodeStore& store) {
  std::shared_ptr<const LazyRows> sides =
      Leave(*code_factors_,
            [this, &store](const Elements& elements) { return PutCodeFactors(elements, store); });
  store.RestoreLazily(
      Leave(*codes_, [this, &store, sides = std::move(sides)](const Elements& elements) {
        VITRINE_RETURN_IF_ERROR(
            sides->Fetch(static_cast<Slot>(elements.first), static_cast<size_t>(elements.count)));
        PutCodes(elements, store);
        return Status();
      }));
}

// Null where there are none, or all are read at once.
std::unique_ptr<const LazyRows> TableLoader::LeaveFactors() {
  if (!is_lazy_ || factors_ == nullptr) return nullptr;
  return Leave(*factors_, [this](const Elements& elements) { return PutFactors(elements); });
}

}  // namespace vitrine
