// What a file says of each row: its vector, its links and its code.

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string_view>

#include "base/byte_order.h"
#include "engine/link_rules.h"
#include "engine/mapped_vectors.h"
#include "engine/table_loader.h"

namespace vitrine {

Status TableLoader::ReadVectors() {
  const SectionEntry& section = Section(SectionType::kVectors);
  const auto type = static_cast<VectorType>(config_.scalar_type);
  const size_t used = config_.used_vector_bytes();
  return ForEachParallel(section, [&](const Elements& elements) {
    for (uint64_t i = 0; i < elements.count; ++i) {
      const Slot slot = static_cast<Slot>(elements.first + i);
      const auto row = elements.bytes.subspan(i * section.element_bytes, section.element_bytes);
      if (FindNonFinite(type, row.data(), config_.dimension) != config_.dimension) {
        return Corrupt(section, slot, "a component is not finite");
      }
      const auto padding = row.subspan(used);
      if (std::any_of(padding.begin(), padding.end(),
                      [](std::byte b) { return b != std::byte{}; })) {
        return Corrupt(section, slot, "padding is not zero");
      }
      table_->vectors_.Put(slot, row.data());
      NoteZero(slot);
    }
    return Status();
  });
}

Status TableLoader::MapVectors() {
  Result<std::unique_ptr<MappedRows>> rows =
      vitrine::MapVectors(shared_reader_, Section(SectionType::kVectors),
                          {static_cast<VectorType>(config_.scalar_type),
                           static_cast<size_t>(config_.used_vector_bytes())},
                          LeaveFactors(), MappedRows::Known::kNothing);
  if (!rows.ok()) return rows.status();
  table_->vectors_.UseMapped(std::move(*rows));
  return {};
}

// Mapped vectors have those of the file, for nobody has looked at them; others have their own.
Status TableLoader::ReadFactors() {
  VectorStore& vectors = table_->vectors_;
  if (!vectors.has_factors()) {
    return factors_ == nullptr ? Status() : Corrupt(*factors_, 0, "the metric needs none");
  }
  if (factors_ == nullptr) {
    if (!is_mapped()) return {};
    VITRINE_RETURN_IF_ERROR(vectors.VerifyAll());
    for (Slot slot = 0; slot < config_.rows; ++slot) {
      vectors.ComputeFactor(slot);
      NoteZero(slot);
    }
    return {};
  }
  return ForEachParallel(*factors_, [&](const Elements& elements) { return PutFactors(elements); });
}

Status TableLoader::PutFactors(const Elements& elements) const {
  for (uint64_t i = 0; i < elements.count; ++i) {
    const Slot slot = static_cast<Slot>(elements.first + i);
    float factor;
    std::memcpy(&factor, elements.bytes.data() + i * sizeof(factor), sizeof(factor));
    if (!(factor >= 0) || std::isinf(factor)) {
      return Corrupt(*factors_, slot, "a factor is out of range");
    }
    if (!is_mapped()) continue;
    table_->vectors_.RestoreFactor(slot, factor);
    if (!is_lazy_) {
      NoteZero(slot);
    } else if (table_->vectors_.IsZero(slot) != table_->zero_.Test(slot)) {
      return Corrupt(*outsiders_, 0, kOtherOutsiders);
    }
  }
  return {};
}

void TableLoader::NoteZero(Slot slot) const {
  if (!table_->vectors_.IsZero(slot)) return;
  table_->zero_.Set(slot);
  table_->zero_count_.fetch_add(1, std::memory_order_release);
}

Status TableLoader::ReadLinks() {
  return ForEachParallel(Section(SectionType::kLinks), [&](const Elements& elements) {
    return CheckLinks(elements, &Graph::RestoreNode);
  });
}

// Hands the words of each row that is not a zero vector to `put`.
Status TableLoader::CheckLinks(const Elements& elements,
                               void (Graph::*put)(Slot, std::span<const uint32_t>)) const {
  std::vector<uint32_t> words(config_.link_width);
  for (uint64_t i = 0; i < elements.count; ++i) {
    const Slot slot = static_cast<Slot>(elements.first + i);
    std::memcpy(words.data(), elements.bytes.data() + i * config_.link_bytes(),
                config_.link_bytes());
    VITRINE_RETURN_IF_ERROR(CheckWords(slot, words));
    if (!table_->zero_.Test(slot)) (table_->graph_.*put)(slot, words);
  }
  return {};
}

Status TableLoader::CheckWords(uint32_t row, std::span<const uint32_t> words) const {
  const bool any_zero = table_->zero_count_.load(std::memory_order_relaxed) != 0;
  const bool is_zero = any_zero && table_->zero_.Test(row);
  const auto judge = [&](Slot target) -> std::string_view {
    if (target >= config_.rows) return "a link leads to a row that is not there";
    if (target == row) return "a row links to itself";
    if (is_zero) return "a zero vector has links";
    if (any_zero && table_->zero_.Test(target)) return "a link leads to a zero vector";
    return {};
  };
  const std::string_view wrong = CheckLinkWords(words, 2 * size_t{config_.m}, judge);
  return wrong.empty() ? Status() : Corrupt(SectionType::kLinks, row, wrong);
}

Status TableLoader::ReadEntries() {
  const SectionEntry& section = Section(SectionType::kEntries);
  std::vector<Slot> entries;
  VITRINE_RETURN_IF_ERROR(ForEach(section, [&](const Elements& elements) {
    for (uint64_t i = 0; i < elements.count; ++i) {
      const Slot slot = LoadLittleEndian<uint32_t>(elements.bytes.data() + 4 * i);
      if (slot >= config_.rows) return Corrupt(section, i, "an entry is a row that is not there");
      if (table_->zero_.Test(slot)) return Corrupt(section, i, "an entry is a zero vector");
      if (std::find(entries.begin(), entries.end(), slot) != entries.end()) {
        return Corrupt(section, i, "an entry comes twice");
      }
      entries.push_back(slot);
    }
    return Status();
  }));
  if (entries.empty() && table_->graph_.size() > 0) {
    return Corrupt(section, 0, "there is no entry");
  }
  table_->graph_.RestoreEntries(entries, config_.entries_offered, config_.entries_stride);
  return {};
}

// Makes what changes need that come later, and mends what nobody could reach. A table for reading
// only needs the latter, and for that its vectors.
Status TableLoader::FinishGraph() {
  if (is_mapped()) {
    if (table_->graph_.IsConnected()) return {};
    VITRINE_RETURN_IF_ERROR(table_->vectors_.VerifyAll());
  }
  table_->graph_.FinishRestore(table_->WriterScratch(0));
  return {};
}

// The same codes as before, and thus the same searches.
Status TableLoader::MakeCodes() {
  if (centre_ == nullptr) {
    if (table_->CodesAreDue()) VITRINE_RETURN_IF_ERROR(table_->vectors_.VerifyAll());
    table_->MakeCodesWhenDue();
    return {};
  }
  std::vector<std::byte> buffer;
  const auto bytes = reader_.Read(*centre_, 0, centre_->count, buffer);
  if (!bytes.ok()) return bytes.status();
  if (FindNonFinite(VectorType::kF32, bytes->data(), config_.dimension) != config_.dimension) {
    return Corrupt(*centre_, 0, "it is not finite");
  }
  std::vector<float> centre(config_.dimension);
  std::memcpy(centre.data(), bytes->data(), bytes->size());
  const auto kind = static_cast<Quantization>(config_.codes);
  Status no_memory(ErrorCode::kOutOfMemory, "no memory for the codes of the file");
  if (codes_ == nullptr) {
    VITRINE_RETURN_IF_ERROR(table_->vectors_.VerifyAll());
    return table_->MakeCodesAround(centre, kind) ? Status() : no_memory;
  }
  std::unique_ptr<CodeStore> store = table_->NewCodes(centre, kind);
  if (store == nullptr) return no_memory;
  VITRINE_RETURN_IF_ERROR(CheckCodeSizes(*store));
  if (is_lazy_) {
    LeaveCodes(*store);
  } else {
    VITRINE_RETURN_IF_ERROR(ReadCodes(*store));
  }
  table_->UseCodes(std::move(store));
  return {};
}

Status TableLoader::CheckCodeSizes(const CodeStore& store) const {
  if (codes_->count != config_.rows || codes_->element_bytes != store.row_bytes()) {
    return Corrupt(*codes_, 0, "it does not have the size that the config asks for");
  }
  if (code_factors_->count != config_.rows || code_factors_->element_bytes != store.side_bytes()) {
    return Corrupt(*code_factors_, 0, "it does not have the size that the config asks for");
  }
  return {};
}

Status TableLoader::ReadCodes(CodeStore& store) const {
  VITRINE_RETURN_IF_ERROR(ForEachParallel(*codes_, [&](const Elements& elements) {
    PutCodes(elements, store);
    return Status();
  }));
  return ForEachParallel(*code_factors_,
                         [&](const Elements& elements) { return PutCodeFactors(elements, store); });
}

void TableLoader::PutCodes(const Elements& elements, CodeStore& store) const {
  for (uint64_t i = 0; i < elements.count; ++i) {
    store.RestoreRow(static_cast<Slot>(elements.first + i),
                     elements.bytes.data() + i * store.row_bytes());
  }
}

Status TableLoader::PutCodeFactors(const Elements& elements, CodeStore& store) const {
  for (uint64_t i = 0; i < elements.count; ++i) {
    const Slot slot = static_cast<Slot>(elements.first + i);
    if (!store.RestoreSide(slot, elements.bytes.data() + i * store.side_bytes())) {
      return Corrupt(*code_factors_, slot, "a factor is out of range");
    }
  }
  return {};
}

}  // namespace vitrine
