// The writing half of engine/table_file.h.

#include <algorithm>
#include <cstring>
#include <mutex>
#include <optional>

#include "base/byte_order.h"
#include "engine/code_sections.h"
#include "engine/image_links.h"
#include "engine/recall_file.h"
#include "engine/slot_set.h"
#include "engine/table_file.h"
#include "engine/table_file_format.h"
#include "storage/container_reader.h"
#include "storage/container_writer.h"
#include "storage/replaced_file.h"

namespace vitrine {
// The image of a table at one moment. While it lives nothing that belongs to it is reused.
class TableWriter {
 public:
  // `cancelled` may be null.
  TableWriter(const Table& table, const std::atomic<bool>* cancelled);

  // Writes all sections and what follows them; returns the root.
  Result<Digest128> Write(ContainerWriter& writer);

 private:
  void Take();
  void CollectEntries();

  Status WriteConfig(ContainerWriter& writer) const;
  Status WriteIds(ContainerWriter& writer) const;
  Status WriteBirths(ContainerWriter& writer) const;
  Status WriteGuests(ContainerWriter& writer) const;
  Status WriteVectors(ContainerWriter& writer) const;
  Status WriteLinks(ContainerWriter& writer);
  Status WriteOutsiders(ContainerWriter& writer) const;
  Status WriteEntries(ContainerWriter& writer) const;
  Status WriteFactors(ContainerWriter& writer) const;
  Status WriteCentre(ContainerWriter& writer) const;
  Status WriteCodes(ContainerWriter& writer) const;
  Status WriteCodeFactors(ContainerWriter& writer) const;

  const Table& table_;
  const std::atomic<bool>* const cancelled_;
  const CodeStore* const codes_;  // null if there are none
  std::optional<ReaderPool::Lease> lease_;
  std::optional<SlotSet> rows_;    // rows with a point
  std::optional<SlotSet> owners_;  // those whose owner is one
  std::optional<SlotSet> nodes_;   // those that are in the graph
  std::vector<Slot> entries_;
  std::optional<ImageLinks> links_;
  ImageLinks::Digest written_;  // of the links that are in the file
  IndexConfig config_;
  const RecallCalibration calibration_;
};

TableWriter::TableWriter(const Table& table, const std::atomic<bool>* cancelled)
    : table_(table),
      cancelled_(cancelled),
      codes_(table.codes_.load(std::memory_order_acquire)),
      calibration_(table.recall_guide().Copy()) {
  Take();
  rows_->Number();
  nodes_ = rows_;
  if (table_.zero_count_.load(std::memory_order_acquire) != 0) {
    nodes_->EraseIf([&](Slot slot) { return table_.zero_.Test(slot); });
  }
  nodes_->Number();
  links_.emplace(table_.graph_, *nodes_);

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
    if (std::find(entries_.begin(), entries_.end(), entries[i]) == entries_.end()) {
      entries_.push_back(entries[i]);
    }
  }
  if (!entries_.empty() || nodes_->size() == 0) return;
  // None of them is in the image: as many as a table of entries has at least, evenly spread.
  constexpr size_t kFew = EntryTable::kFirstLimit / 2;
  const size_t stride = (nodes_->size() + kFew - 1) / kFew;
  (void)nodes_
      ->ForEach([&](Slot slot) {
        if (nodes_->NumberOf(slot) % stride == 0) entries_.push_back(slot);
        return Status();
      })
      .ok();
}

Result<Digest128> TableWriter::Write(ContainerWriter& writer) {
  VITRINE_RETURN_IF_ERROR(WriteConfig(writer));
  VITRINE_RETURN_IF_ERROR(WriteIds(writer));
  VITRINE_RETURN_IF_ERROR(WriteBirths(writer));
  VITRINE_RETURN_IF_ERROR(WriteGuests(writer));
  VITRINE_RETURN_IF_ERROR(WriteVectors(writer));
  VITRINE_RETURN_IF_ERROR(WriteLinks(writer));
  VITRINE_RETURN_IF_ERROR(WriteEntries(writer));
  if (table_.vectors_.has_factors()) VITRINE_RETURN_IF_ERROR(WriteFactors(writer));
  // Whoever maps the file need not look at every link then.
  if (links_->LeadEverywhere(entries_, written_, cancelled_)) {
    VITRINE_RETURN_IF_ERROR(WriteOutsiders(writer));
  }
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

Status TableWriter::WriteLinks(ContainerWriter& writer) {
  std::vector<uint32_t> words(config_.link_width);
  writer.BeginSection(SectionType::kLinks, static_cast<uint32_t>(config_.link_bytes()));
  VITRINE_RETURN_IF_ERROR(rows_->ForEach([&](Slot slot) {
    if (nodes_->Has(slot)) {
      links_->Read(slot, words);
      written_.Add(slot, words);
      for (uint32_t& word : words) {
        if (word != kNoSlot) word = rows_->NumberOf(Links::Target(word)) | (word & Links::kFill);
      }
    } else {
      std::fill(words.begin(), words.end(), kNoSlot);
    }
    return writer.Append(std::as_bytes(std::span(words)));
  }));
  return writer.EndSection();
}

Status TableWriter::WriteEntries(ContainerWriter& writer) const {
  writer.BeginSection(SectionType::kEntries, sizeof(uint32_t));
  for (const Slot entry : entries_) {
    const uint32_t row = rows_->NumberOf(entry);
    VITRINE_RETURN_IF_ERROR(writer.Append(std::as_bytes(std::span(&row, 1))));
  }
  return writer.EndSection();
}

Status TableWriter::WriteOutsiders(ContainerWriter& writer) const {
  writer.BeginSection(SectionType::kOutsiders, sizeof(uint32_t), SectionEntry::kMayBeIgnored);
  VITRINE_RETURN_IF_ERROR(rows_->ForEach([&](Slot slot) {
    if (nodes_->Has(slot)) return Status();
    const uint32_t row = rows_->NumberOf(slot);
    return writer.Append(std::as_bytes(std::span(&row, 1)));
  }));
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
  writer.BeginSection(CodeSectionsOf(*codes_).codes, static_cast<uint32_t>(size),
                      SectionEntry::kMayBeIgnored);
  VITRINE_RETURN_IF_ERROR(rows_->ForEach(
      [&](Slot slot) { return writer.Append(std::as_bytes(std::span(codes_->Row(slot), size))); }));
  return writer.EndSection();
}

Status TableWriter::WriteCodeFactors(ContainerWriter& writer) const {
  std::vector<std::byte> side(codes_->side_bytes());
  writer.BeginSection(CodeSectionsOf(*codes_).sides, static_cast<uint32_t>(side.size()),
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
  VITRINE_RETURN_IF_ERROR(table.FetchAll());
  std::unique_ptr<FileSystem> system;
  if (options.files == nullptr) system = SystemFiles();
  FileSystem& files = options.files == nullptr ? *system : *options.files;

  auto replaced = ReplacedFile::Create(files, path);
  if (!replaced.ok()) return replaced.status();
  ReplacedFile& file = **replaced;
  ContainerWriter writer(file.file(), options.cancelled);
  VITRINE_RETURN_IF_ERROR(writer.Start(HeaderOf(options)));
  // The image goes as soon as it is written: flushing and reading back hold up nothing.
  const Result<Digest128> root = TableWriter(table, options.cancelled).Write(writer);
  if (!root.ok()) return root.status();
  VITRINE_RETURN_IF_ERROR(file.SyncAndClose());
  VITRINE_RETURN_IF_ERROR(ReadBack(file, path, *root, options.cancelled));
  return file.Commit();
}

}  // namespace vitrine
