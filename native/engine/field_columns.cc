#include "engine/field_columns.h"

#include <algorithm>

namespace vitrine {

size_t FieldColumn::memory_bytes() const {
  return sizeof(*this) + present.memory_bytes() +
         std::visit([](const auto& column) { return column.memory_bytes(); }, values);
}

class FieldColumns::Adder final : public PayloadFields::Sink {
 public:
  Adder(FieldColumns& columns, EntryId entry) : columns_(columns), entry_(entry) {}

  void Present(const Field& field) override { columns_.ColumnOf(field).present.Add(entry_); }
  void Text(const Field& field, std::string_view text) override {
    std::get<KeywordColumn>(columns_.ColumnOf(field).values).Add(text, entry_);
  }
  void Number(const Field& field, double number) override {
    std::get<NumberColumn>(columns_.ColumnOf(field).values).Add(number, entry_);
  }
  void Wrong(const Field&, std::string_view) override {}

 private:
  FieldColumns& columns_;
  const EntryId entry_;
};

class FieldColumns::Remover final : public PayloadFields::Sink {
 public:
  Remover(FieldColumns& columns, EntryId entry) : columns_(columns), entry_(entry) {}

  void Present(const Field& field) override { columns_.ColumnOf(field).present.Remove(entry_); }
  void Text(const Field& field, std::string_view text) override {
    std::get<KeywordColumn>(columns_.ColumnOf(field).values).Remove(text, entry_);
  }
  void Number(const Field& field, double number) override {
    std::get<NumberColumn>(columns_.ColumnOf(field).values).Remove(number, entry_);
  }
  void Wrong(const Field&, std::string_view) override {}

 private:
  FieldColumns& columns_;
  const EntryId entry_;
};

FieldColumns::FieldColumns(const Fields& fields) : fields_(fields) {
  columns_.reserve(fields.size());
  for (const Field& field : fields) columns_.push_back(std::make_unique<FieldColumn>(field));
}

Fields FieldColumns::fields() const {
  const std::shared_lock lock(mutex_);
  return fields_;
}

// REQUIRES: `field` is an element of fields_
FieldColumn& FieldColumns::ColumnOf(const Field& field) {
  return *columns_[static_cast<size_t>(&field - fields_.data())];
}

// REQUIRES: there is such a field, as there was when the filter was parsed: none ever goes
const FieldColumn& FieldColumns::ColumnOf(const std::string& name) const {
  return *columns_[static_cast<size_t>(FindField(fields_, name) - fields_.data())];
}

void FieldColumns::Reserve(size_t entries) {
  const std::unique_lock lock(mutex_);
  slots_.reserve(entries);
}

void FieldColumns::Add(EntryId entry, Slot slot, const PointRecord::Payload& payload) {
  const std::unique_lock lock(mutex_);
  version_.fetch_add(1, std::memory_order_release);
  AddLocked(entry, slot, payload);
}

void FieldColumns::AddLocked(EntryId entry, Slot slot, const PointRecord::Payload& payload) {
  if (slots_.size() <= entry) {
    if (slots_.capacity() <= entry) slots_.reserve(std::max<size_t>(entry + 1, slots_.size() * 2));
    slots_.resize(entry + size_t{1});
  }
  entries_.Add(entry);
  slots_[entry] = slot;
  Adder adder(*this, entry);
  (void)reader_.Read(fields_, payload, adder);
}

void FieldColumns::MoveTo(EntryId entry, Slot slot) {
  const std::unique_lock lock(mutex_);
  slots_[entry] = slot;
}

void FieldColumns::Remove(EntryId entry, const PointRecord::Payload& payload) {
  const std::unique_lock lock(mutex_);
  if (!entries_.Contains(entry)) return;
  version_.fetch_add(1, std::memory_order_release);
  // Has the memory that it needs since the payload was added.
  Remover remover(*this, entry);
  (void)reader_.Read(fields_, payload, remover);
  entries_.Remove(entry);
}

void FieldColumns::ReserveColumns(size_t more) {
  const std::unique_lock lock(mutex_);
  fields_.reserve(fields_.size() + more);
  columns_.reserve(columns_.size() + more);
}

void FieldColumns::TakeColumns(FieldColumns& from) {
  const std::unique_lock lock(mutex_);
  for (size_t i = 0; i < from.fields_.size(); ++i) {
    const auto at = std::lower_bound(
        fields_.begin(), fields_.end(), from.fields_[i].name,
        [](const Field& field, const std::string& name) { return field.name < name; });
    columns_.insert(columns_.begin() + (at - fields_.begin()), std::move(from.columns_[i]));
    fields_.insert(at, std::move(from.fields_[i]));
  }
  from.fields_.clear();
  from.columns_.clear();
}

EntryBitmap FieldColumns::Evaluate(const Filter& filter) const {
  const std::shared_lock lock(mutex_);
  return Evaluate(filter.root());
}

Result<std::shared_ptr<const EntryFilter>> FieldColumns::MakeFilter(
    const Filter& filter, const Table& table, const ReaderPool::Lease& lease) const {
  // To the end: as long as it is held no entry of the bitmap loses its row.
  const std::shared_lock lock(mutex_);
  const auto made = std::make_shared<EntryFilter>(Evaluate(filter.root()), Estimate(filter.root()));
  VITRINE_RETURN_IF_ERROR(table.Follow(made));
  if (KnowsRows(lease)) {
    made->entries().ForEach([&](EntryId entry) { made->SetSlot(slots_[entry], true); });
  } else {
    table.AllowVisibleRows(lease, *made);
  }
  return std::shared_ptr<const EntryFilter>(made);
}

void FieldColumns::LearnRows(const Table& table) {
  const std::unique_lock lock(mutex_);
  EntryBitmap entries(slots_.size());
  entries_.AddTo(entries);
  std::vector<PointId> ids;
  ids.reserve(entries_.size());
  entries.ForEach([&](EntryId entry) { ids.push_back(entry); });
  std::vector<Slot> rows(ids.size());
  table.FindRows(ids, rows);
  for (size_t i = 0; i < ids.size(); ++i) {
    // Others are not published yet, or not seen from this version on.
    if (rows[i] != kNoSlot) slots_[ids[i]] = rows[i];
  }
  // What is removed from now on was found above.
  rows_from_.store(table.version(), std::memory_order_release);
}

EntryBitmap FieldColumns::Evaluate(const Filter::Node& node) const {
  EntryBitmap result(slots_.size());
  switch (node.kind) {
    case Filter::Kind::kAnd:
      if (node.parts.empty()) {
        entries_.AddTo(result);
        return result;
      }
      result = Evaluate(node.parts[0]);
      for (size_t i = 1; i < node.parts.size(); ++i) result.And(Evaluate(node.parts[i]));
      return result;
    case Filter::Kind::kOr:
      for (const Filter::Node& part : node.parts) result.Or(Evaluate(part));
      return result;
    case Filter::Kind::kNot:
      entries_.AddTo(result);
      result.AndNot(Evaluate(node.parts[0]));
      return result;
    case Filter::Kind::kExists:
    case Filter::Kind::kIn:
    case Filter::Kind::kRange:
      break;
  }
  return EvaluateLeaf(node);
}

EntryBitmap FieldColumns::EvaluateLeaf(const Filter::Node& node) const {
  EntryBitmap result(slots_.size());
  const FieldColumn& column = ColumnOf(node.field);
  if (node.kind == Filter::Kind::kExists) {
    column.present.AddTo(result);
  } else if (const auto* const keywords = std::get_if<KeywordColumn>(&column.values)) {
    for (const std::string& text : node.texts) keywords->AddTo(text, result);
  } else {
    const auto& numbers = std::get<NumberColumn>(column.values);
    for (const NumberRange& range : node.numbers) numbers.AddTo(range, result);
  }
  return result;
}

// The share of entries that a filter admits, were its parts independent of each other.
double FieldColumns::Estimate(const Filter::Node& node) const {
  double share = 1;
  switch (node.kind) {
    case Filter::Kind::kAnd:
      for (const Filter::Node& part : node.parts) share *= Estimate(part);
      return share;
    case Filter::Kind::kOr:
      for (const Filter::Node& part : node.parts) share *= 1 - Estimate(part);
      return 1 - share;
    case Filter::Kind::kNot:
      return 1 - Estimate(node.parts[0]);
    case Filter::Kind::kExists:
    case Filter::Kind::kIn:
    case Filter::Kind::kRange:
      break;
  }
  return EstimateLeaf(node);
}

double FieldColumns::EstimateLeaf(const Filter::Node& node) const {
  if (entries_.size() == 0) return 0;
  const FieldColumn& column = ColumnOf(node.field);
  size_t count = 0;
  if (node.kind == Filter::Kind::kExists) {
    count = column.present.size();
  } else if (const auto* const keywords = std::get_if<KeywordColumn>(&column.values)) {
    for (const std::string& text : node.texts) count += keywords->Count(text);
  } else {
    const auto& numbers = std::get<NumberColumn>(column.values);
    for (const NumberRange& range : node.numbers) count += numbers.Count(range);
  }
  return std::min(1.0, static_cast<double>(count) / static_cast<double>(entries_.size()));
}

size_t FieldColumns::memory_bytes() const {
  const std::shared_lock lock(mutex_);
  size_t bytes = entries_.memory_bytes() + slots_.capacity() * sizeof(Slot);
  for (const auto& column : columns_) bytes += column->memory_bytes();
  return bytes;
}

}  // namespace vitrine
