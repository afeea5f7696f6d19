// The writing half of engine/table_file.h.

#include <algorithm>
#include <bit>
#include <cstring>
#include <mutex>
#include <optional>

#include "base/byte_order.h"
#include "engine/recall_file.h"
#include "engine/table_file.h"
#include "engine/table_file_format.h"
#include "storage/container_reader.h"
#include "storage/container_writer.h"
#include "storage/replaced_file.h"

namespace vitrine {
namespace {

// A set of slots whose members can be numbered from 0 without gaps.
class SlotSet {
 public:
  explicit SlotSet(size_t slots) : words_(slots / 64 + 1), before_(slots / 64 + 1) {}

  void Insert(Slot slot) { words_[slot / 64] |= uint64_t{1} << (slot % 64); }
  bool Has(Slot slot) const {
    return slot / 64 < words_.size() && ((words_[slot / 64] >> (slot % 64)) & 1) != 0;
  }

  template <typename Predicate>
  void EraseIf(Predicate predicate) {
    for (size_t i = 0; i < words_.size(); ++i) {
      for (uint64_t bits = words_[i]; bits != 0; bits &= bits - 1) {
        const size_t bit = static_cast<size_t>(std::countr_zero(bits));
        if (predicate(static_cast<Slot>(i * 64 + bit))) words_[i] &= ~(uint64_t{1} << bit);
      }
    }
  }

  // Gives the members their numbers. REQUIRES: called after the last change, before what follows
  void Number() {
    count_ = 0;
    for (size_t i = 0; i < words_.size(); ++i) {
      before_[i] = count_;
      count_ += static_cast<uint32_t>(std::popcount(words_[i]));
    }
  }
  size_t size() const { return count_; }
  // REQUIRES: Has(slot)
  uint32_t NumberOf(Slot slot) const {
    const uint64_t below = words_[slot / 64] & ((uint64_t{1} << (slot % 64)) - 1);
    return before_[slot / 64] + static_cast<uint32_t>(std::popcount(below));
  }

  // Calls visit(slot), ascending, until it fails.
  template <typename Visitor>
  Status ForEach(Visitor visit) const {
    for (size_t i = 0; i < words_.size(); ++i) {
      for (uint64_t bits = words_[i]; bits != 0; bits &= bits - 1) {
        const size_t bit = static_cast<size_t>(std::countr_zero(bits));
        VITRINE_RETURN_IF_ERROR(visit(static_cast<Slot>(i * 64 + bit)));
      }
    }
    return {};
  }

 private:
  std::vector<uint64_t> words_;
  std::vector<uint32_t> before_;  // members in earlier words
  uint32_t count_ = 0;
};

}  // namespace

// The image of a table at one moment. While it lives nothing that belongs to it is reused.
class TableWriter {
 public:
  explicit TableWriter(const Table& table);

  // Writes all sections and what follows them; returns the root.
  Result<Digest128> Write(ContainerWriter& writer) const;

 private:
  void Take();
  void CollectEntries();

  Status WriteConfig(ContainerWriter& writer) const;
  Status WriteIds(ContainerWriter& writer) const;
  Status WriteBirths(ContainerWriter& writer) const;
  Status WriteGuests(ContainerWriter& writer) const;
  Status WriteVectors(ContainerWriter& writer) const;
  Status WriteLinks(ContainerWriter& writer) const;
  Status WriteEntries(ContainerWriter& writer) const;
  Status WriteFactors(ContainerWriter& writer) const;
  Status WriteCentre(ContainerWriter& writer) const;
  Status WriteCodes(ContainerWriter& writer) const;
  Status WriteCodeFactors(ContainerWriter& writer) const;

  const Table& table_;
  const CodeStore* const codes_;  // null if there are none
  std::optional<ReaderPool::Lease> lease_;
  std::optional<SlotSet> rows_;    // rows with a point
  std::optional<SlotSet> owners_;  // those whose owner is one
  std::optional<SlotSet> nodes_;   // those that are in the graph
  std::vector<uint32_t> entries_;
  IndexConfig config_;
  const RecallCalibration calibration_;
};

TableWriter::TableWriter(const Table& table)
    : table_(table),
      codes_(table.codes_.load(std::memory_order_acquire)),
      calibration_(table.recall_guide().Copy()) {
  Take();
  rows_->Number();
  nodes_ = rows_;
  if (table_.zero_count_.load(std::memory_order_acquire) != 0) {
    nodes_->EraseIf([&](Slot slot) { return table_.zero_.Test(slot); });
  }
  nodes_->Number();

  const TableOptions& options = table_.options();
  config_.dimension = static_cast<uint32_t>(options.dimension);
  config_.metric = static_cast<uint32_t>(options.metric);
  config_.scalar_type = static_cast<uint32_t>(options.type);
  config_.id_type = static_cast<uint32_t>(options.id_type);
  config_.m = static_cast<uint32_t>(options.graph.m);
  config_.ef_construction = static_cast<uint32_t>(options.graph.ef_construction);
  config_.quantization = static_cast<uint32_t>(options.quantization);
  config_.link_width = static_cast<uint32_t>(table_.graph_.width());
  config_.seed = options.graph.seed;
  config_.capacity = options.capacity;
  config_.rows = rows_->size();
  config_.codes = codes_ == nullptr ? 0 : static_cast<uint32_t>(codes_->kind()) + 1;
  CollectEntries();
}

// Decides what is in the image. No chunk can be published meanwhile, so that what the id map holds
// is what the lease's version shows; and a row whose point is in the map now is not freed before
// every pin is newer than that point's end.
void TableWriter::Take() {
  const std::shared_lock lock(table_.id_mutex_);
  lease_.emplace(table_.readers_.Acquire());
  rows_.emplace(table_.SlotLimit());
  owners_.emplace(table_.SlotLimit());
  table_.ids_.ForEachRef([&](PointRef ref) {
    rows_->Insert(ref.slot());
    if (!ref.shared()) owners_->Insert(ref.slot());
  });
  config_.points = table_.ids_.size();
  config_.next_id = table_.next_id_;
}

void TableWriter::CollectEntries() {
  EntryTable::Snapshot entries;
  const size_t count =
      table_.graph_.CopyEntries(entries, config_.entries_offered, config_.entries_stride);
  for (size_t i = 0; i < count; ++i) {
    if (!nodes_->Has(entries[i])) continue;
    const uint32_t row = rows_->NumberOf(entries[i]);
    if (std::find(entries_.begin(), entries_.end(), row) == entries_.end()) entries_.push_back(row);
  }
  if (!entries_.empty() || nodes_->size() == 0) return;
  // None of them is in the image: as many as a table of entries has at least, evenly spread.
  constexpr size_t kFew = EntryTable::kFirstLimit / 2;
  const size_t stride = (nodes_->size() + kFew - 1) / kFew;
  (void)nodes_
      ->ForEach([&](Slot slot) {
        if (nodes_->NumberOf(slot) % stride == 0) entries_.push_back(rows_->NumberOf(slot));
        return Status();
      })
      .ok();
}

Result<Digest128> TableWriter::Write(ContainerWriter& writer) const {
  VITRINE_RETURN_IF_ERROR(WriteConfig(writer));
  VITRINE_RETURN_IF_ERROR(WriteIds(writer));
  VITRINE_RETURN_IF_ERROR(WriteBirths(writer));
  VITRINE_RETURN_IF_ERROR(WriteGuests(writer));
  VITRINE_RETURN_IF_ERROR(WriteVectors(writer));
  VITRINE_RETURN_IF_ERROR(WriteLinks(writer));
  VITRINE_RETURN_IF_ERROR(WriteEntries(writer));
  if (table_.vectors_.has_factors()) VITRINE_RETURN_IF_ERROR(WriteFactors(writer));
  if (codes_ != nullptr) {
    VITRINE_RETURN_IF_ERROR(WriteCentre(writer));
    VITRINE_RETURN_IF_ERROR(WriteCodes(writer));
    VITRINE_RETURN_IF_ERROR(WriteCodeFactors(writer));
  }
  VITRINE_RETURN_IF_ERROR(WriteCalibration(writer, calibration_, table_.ended_points()));
  return writer.Finish(lease_->snapshot());
}

Status TableWriter::WriteConfig(ContainerWriter& writer) const {
  std::array<std::byte, IndexConfig::kBytes> bytes;
  EncodeConfig(config_, bytes.data());
  writer.BeginSection(SectionType::kConfig, IndexConfig::kBytes);
  VITRINE_RETURN_IF_ERROR(writer.Append(bytes));
  return writer.EndSection();
}

Status TableWriter::WriteIds(ContainerWriter& writer) const {
  const size_t size = config_.id_bytes();
  writer.BeginSection(SectionType::kIds, static_cast<uint32_t>(size));
  VITRINE_RETURN_IF_ERROR(rows_->ForEach([&](Slot slot) {
    std::array<std::byte, sizeof(uint64_t)> bytes;
    StoreLittleEndian(bytes.data(), owners_->Has(slot) ? table_.OwnerId(slot) : 0);
    return writer.Append(std::span(bytes).first(size));
  }));
  return writer.EndSection();
}

Status TableWriter::WriteBirths(ContainerWriter& writer) const {
  writer.BeginSection(SectionType::kBirths, sizeof(uint64_t));
  VITRINE_RETURN_IF_ERROR(rows_->ForEach([&](Slot slot) {
    std::array<std::byte, sizeof(uint64_t)> bytes;
    const uint64_t birth =
        owners_->Has(slot) ? VersionOf(table_.stamps_[slot].birth.load(std::memory_order_acquire),
                                       lease_->snapshot())
                           : 0;
    StoreLittleEndian(bytes.data(), birth);
    return writer.Append(bytes);
  }));
  return writer.EndSection();
}

Status TableWriter::WriteGuests(ContainerWriter& writer) const {
  writer.BeginSection(SectionType::kGuests, GuestRecord::kBytes);
  std::vector<std::byte> bytes;
  VITRINE_RETURN_IF_ERROR(rows_->ForEach([&](Slot slot) {
    if (!table_.shared_.Test(slot)) return Status();
    bytes.clear();
    table_.shared_rows_.ForEachBirth(slot, lease_->snapshot(), [&](PointId id, uint64_t birth) {
      bytes.resize(bytes.size() + GuestRecord::kBytes);
      EncodeGuest({.id = id, .birth = birth, .row = rows_->NumberOf(slot)},
                  bytes.data() + bytes.size() - GuestRecord::kBytes);
    });
    return writer.Append(bytes);
  }));
  return writer.EndSection();
}

Status TableWriter::WriteVectors(ContainerWriter& writer) const {
  const size_t used = table_.vector_bytes();
  const std::vector<std::byte> padding(config_.vector_bytes() - used);
  writer.BeginSection(SectionType::kVectors, static_cast<uint32_t>(config_.vector_bytes()));
  VITRINE_RETURN_IF_ERROR(rows_->ForEach([&](Slot slot) {
    VITRINE_RETURN_IF_ERROR(table_.vectors_.Verify(slot));
    VITRINE_RETURN_IF_ERROR(writer.Append(std::span(table_.vectors_.Row(slot), used)));
    return writer.Append(padding);
  }));
  return writer.EndSection();
}

Status TableWriter::WriteLinks(ContainerWriter& writer) const {
  const size_t width = config_.link_width;
  std::vector<uint32_t> words(width);
  std::vector<uint32_t> numbered(width);
  writer.BeginSection(SectionType::kLinks, static_cast<uint32_t>(config_.link_bytes()));
  VITRINE_RETURN_IF_ERROR(rows_->ForEach([&](Slot slot) {
    std::fill(numbered.begin(), numbered.end(), kNoSlot);
    if (nodes_->Has(slot)) {
      table_.graph_.CopyNode(slot, words);
      // Every word keeps its place: walks of the loaded table meet neighbours in the same order.
      // What readers insist on is made sure of here, whatever the graph holds.
      size_t links = 0;
      for (size_t i = 0; i < width; ++i) {
        const Slot target = Links::Target(words[i]);
        if (words[i] == kNoSlot || !nodes_->Has(target) || target == slot) continue;
        const uint32_t row = rows_->NumberOf(target);
        if (Links::IsFill(words[i])) {
          numbered[i] = row | Links::kFill;
        } else if (links < 2 * size_t{config_.m} && !HasLink(numbered, row)) {
          numbered[i] = row;
          ++links;
        }
      }
    }
    return writer.Append(std::as_bytes(std::span(numbered)));
  }));
  return writer.EndSection();
}

Status TableWriter::WriteEntries(ContainerWriter& writer) const {
  writer.BeginSection(SectionType::kEntries, sizeof(uint32_t));
  VITRINE_RETURN_IF_ERROR(writer.Append(std::as_bytes(std::span(entries_))));
  return writer.EndSection();
}

Status TableWriter::WriteCentre(ContainerWriter& writer) const {
  writer.BeginSection(SectionType::kCodeCentre, sizeof(float));
  VITRINE_RETURN_IF_ERROR(writer.Append(std::as_bytes(codes_->centre())));
  return writer.EndSection();
}

// These follow from the vectors: who has them need not read every vector.
Status TableWriter::WriteFactors(ContainerWriter& writer) const {
  writer.BeginSection(SectionType::kFactors, sizeof(float), SectionEntry::kMayBeIgnored);
  VITRINE_RETURN_IF_ERROR(rows_->ForEach([&](Slot slot) {
    const float factor = table_.vectors_.factor(slot);
    return writer.Append(std::as_bytes(std::span(&factor, 1)));
  }));
  return writer.EndSection();
}

Status TableWriter::WriteCodes(ContainerWriter& writer) const {
  const size_t size = codes_->row_bytes();
  writer.BeginSection(SectionType::kCodes, static_cast<uint32_t>(size),
                      SectionEntry::kMayBeIgnored);
  VITRINE_RETURN_IF_ERROR(rows_->ForEach(
      [&](Slot slot) { return writer.Append(std::as_bytes(std::span(codes_->Row(slot), size))); }));
  return writer.EndSection();
}

Status TableWriter::WriteCodeFactors(ContainerWriter& writer) const {
  std::vector<std::byte> side(codes_->side_bytes());
  writer.BeginSection(SectionType::kCodeFactors, static_cast<uint32_t>(side.size()),
                      SectionEntry::kMayBeIgnored);
  VITRINE_RETURN_IF_ERROR(rows_->ForEach([&](Slot slot) {
    codes_->CopySide(slot, side.data());
    return writer.Append(side);
  }));
  return writer.EndSection();
}

namespace {

HeaderPage HeaderOf(const SaveOptions& options) {
  HeaderPage header;
  header.kind = static_cast<uint16_t>(FileKind::kIndex);
  const size_t length = std::min(options.creator.size(), header.creator.size());
  std::copy_n(options.creator.begin(), length, header.creator.begin());
  return header;
}

// What the device holds must be what was meant to be written.
Status ReadBack(const ReplacedFile& written, const std::string& path, const Digest128& root,
                const std::atomic<bool>* cancelled) {
  Result<std::unique_ptr<File>> file = written.Reopen();
  if (!file.ok()) return file.status();
  Result<std::unique_ptr<ContainerReader>> reader = ContainerReader::Open(
      std::move(*file), "what was read back for " + path, FileKind::kIndex, cancelled);
  if (!reader.ok()) return reader.status();
  if ((*reader)->root() != root) {
    return (*reader)->Corrupt("section table", 0, "it is another file than the one written");
  }
  return (*reader)->VerifyAll();
}

}  // namespace

Status SaveTable(const Table& table, const std::string& path, const SaveOptions& options) {
  VITRINE_RETURN_IF_ERROR(CheckFilePath(path));
  std::unique_ptr<FileSystem> system;
  if (options.files == nullptr) system = SystemFiles();
  FileSystem& files = options.files == nullptr ? *system : *options.files;

  auto replaced = ReplacedFile::Create(files, path);
  if (!replaced.ok()) return replaced.status();
  ReplacedFile& file = **replaced;
  ContainerWriter writer(file.file(), options.cancelled);
  VITRINE_RETURN_IF_ERROR(writer.Start(HeaderOf(options)));
  // The image goes as soon as it is written: flushing and reading back hold up nothing.
  const Result<Digest128> root = TableWriter(table).Write(writer);
  if (!root.ok()) return root.status();
  VITRINE_RETURN_IF_ERROR(file.SyncAndClose());
  VITRINE_RETURN_IF_ERROR(ReadBack(file, path, *root, options.cancelled));
  return file.Commit();
}

}  // namespace vitrine
