#include "engine/collection_checkpoint.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <utility>
#include <vector>

#include "base/seeded_defect.h"
#include "engine/recall_file.h"
#include "engine/section_elements.h"
#include "engine/table_restorer.h"
#include "storage/byte_stream.h"
#include "storage/file_checks.h"

namespace vitrine {
namespace {

constexpr size_t kConfigBytes = 64;
// What one read brings in, about.
constexpr size_t kPartReadBytes = size_t{4} << 20;

size_t RowBytes(const CollectionConfig& config) {
  return RoundUp(VectorBytes(config.type, config.dimension), 64);
}

// What points look like in files does not depend on fields: when one is added the files still hold.
CollectionConfig WithoutFields(CollectionConfig config) {
  config.fields.clear();
  return config;
}

Status AppendPadded(ContainerWriter& writer, std::vector<std::byte> config) {
  config.resize(kConfigBytes);
  writer.BeginSection(SectionType::kConfig, kConfigBytes);
  VITRINE_RETURN_IF_ERROR(writer.Append(config));
  return writer.EndSection();
}

Status WritePoints(ContainerWriter& writer, const Collection& collection,
                   const Collection::Image& image) {
  std::vector<std::byte> config = EncodeCollectionConfig(WithoutFields(collection.config()));
  ByteWriter counts(config);
  counts.Put(uint64_t{image.size()});
  counts.Put(image.last_lsn());
  VITRINE_RETURN_IF_ERROR(AppendPadded(writer, std::move(config)));

  writer.BeginSection(SectionType::kRecordEnds, sizeof(uint64_t));
  uint64_t end = 0;
  for (size_t i = 0; i < image.size(); ++i) {
    end += image.Record(i).bytes().size();
    std::array<std::byte, sizeof(uint64_t)> bytes;
    StoreLittleEndian(bytes.data(), end);
    VITRINE_RETURN_IF_ERROR(writer.Append(bytes));
  }
  VITRINE_RETURN_IF_ERROR(writer.EndSection());

  writer.BeginSection(SectionType::kRecords, 1);
  for (size_t i = 0; i < image.size(); ++i) {
    VITRINE_RETURN_IF_ERROR(writer.Append(image.Record(i).bytes()));
  }
  VITRINE_RETURN_IF_ERROR(writer.EndSection());

  const size_t row_bytes = RowBytes(collection.config());
  const size_t vector_bytes = collection.table().vector_bytes();
  const std::vector<std::byte> padding(row_bytes - vector_bytes);
  writer.BeginSection(SectionType::kVectors, static_cast<uint32_t>(row_bytes));
  for (size_t i = 0; i < image.size(); ++i) {
    VITRINE_RETURN_IF_ERROR(writer.Append(std::span(image.Vector(i), vector_bytes)));
    VITRINE_RETURN_IF_ERROR(writer.Append(padding));
  }
  return writer.EndSection();
}

Status WriteWords(ContainerWriter& writer, SectionType type, std::span<const uint32_t> words) {
  writer.BeginSection(type, sizeof(uint32_t));
  VITRINE_RETURN_IF_ERROR(writer.Append(std::as_bytes(words)));
  return writer.EndSection();
}

Status WriteGraph(ContainerWriter& writer, TableImage& table, const Digest128& primary) {
  const TableImage::Entries entries = table.CopyEntries();
  std::vector<std::byte> config;
  ByteWriter fields(config);
  fields.Append(std::span(primary));
  fields.Put(uint64_t{table.size()});
  fields.Put(static_cast<uint32_t>(table.width()));
  fields.Put(uint32_t{0});
  fields.Put(entries.offered);
  fields.Put(entries.stride);
  fields.Put(static_cast<uint32_t>(table.codes().kind));
  VITRINE_RETURN_IF_ERROR(AppendPadded(writer, std::move(config)));

  std::vector<uint32_t> hosts(table.size());
  for (size_t i = 0; i < hosts.size(); ++i) hosts[i] = table.HostOf(i);
  VITRINE_RETURN_IF_ERROR(WriteWords(writer, SectionType::kHosts, hosts));

  std::vector<uint32_t> words(table.width());
  writer.BeginSection(SectionType::kLinks, static_cast<uint32_t>(words.size() * sizeof(uint32_t)));
  for (size_t i = 0; i < hosts.size(); ++i) {
    if (hosts[i] == i) {
      table.CopyLinks(i, words);
    } else {
      std::fill(words.begin(), words.end(), kNoSlot);
    }
    VITRINE_RETURN_IF_ERROR(writer.Append(std::as_bytes(std::span(words))));
  }
  VITRINE_RETURN_IF_ERROR(writer.EndSection());
  VITRINE_RETURN_IF_ERROR(WriteWords(writer, SectionType::kEntries, entries.points));
  if (table.codes().kind != Quantization::kNone) {
    writer.BeginSection(SectionType::kCodeCentre, sizeof(float));
    VITRINE_RETURN_IF_ERROR(writer.Append(std::as_bytes(table.codes().centre)));
    VITRINE_RETURN_IF_ERROR(writer.EndSection());
  }
  return WriteCalibration(writer, table.calibration(), table.ended_points());
}

Status Corrupt(const ContainerReader& reader, SectionType type, std::string_view what) {
  const SectionEntry* const section = reader.Find(type);
  return reader.Corrupt(SectionName(static_cast<uint32_t>(type)),
                        section == nullptr ? 0 : section->offset, what);
}

// A section that must be there, with elements of this size; `count` of them unless that is any.
constexpr uint64_t kAnyCount = UINT64_MAX;
Result<const SectionEntry*> Require(const ContainerReader& reader, SectionType type,
                                    uint64_t element_bytes, uint64_t count) {
  const SectionEntry* const section = reader.Find(type);
  if (section == nullptr || section->element_bytes != element_bytes ||
      (count != kAnyCount && section->count != count)) {
    return Corrupt(reader, type, "it is missing or of the wrong size");
  }
  return section;
}

// All words of a section, whatever its elements are made of.
Result<std::vector<uint32_t>> ReadWords(const ContainerReader& reader, const SectionEntry& section,
                                        const CollectionSource& source) {
  const size_t width = section.element_bytes / sizeof(uint32_t);
  std::vector<uint32_t> words(static_cast<size_t>(section.count) * width);
  const auto put = [&](const SectionElements& elements) {
    uint32_t* const to = words.data() + elements.first * width;
    for (size_t i = 0; i < elements.count * width; ++i) {
      to[i] = LoadLittleEndian<uint32_t>(elements.bytes.data() + i * sizeof(uint32_t));
    }
    return Status();
  };
  VITRINE_RETURN_IF_ERROR(ForEachElements(reader, section, source.pool, source.threads, put));
  return words;
}

}  // namespace

// The reading half: every value is checked after its checksum and before it is used.
class CollectionLoader {
 public:
  CollectionLoader(const ContainerReader& reader, const CollectionSource& source)
      : reader_(reader), source_(source) {}

  Status ReadPoints();
  Status ReadGraph(const ContainerReader& graph, const Digest128& primary);
  Status ReadCodes(const ContainerReader& graph, uint32_t kind);
  std::shared_ptr<Collection> Finish();

 private:
  Status ReadConfig();
  Status ReadRecords();
  Status AddRecord(EntryId entry, std::span<const std::byte> bytes);
  Status ReadVectors();
  void FillColumns();

  const ContainerReader& reader_;
  const CollectionSource& source_;
  std::shared_ptr<Collection> collection_;
  std::optional<TableRestorer> table_;
  std::optional<StoredCalibration> calibration_;
  uint64_t count_ = 0;
  uint64_t last_lsn_ = 0;
};

Status CollectionLoader::ReadConfig() {
  const auto section = Require(reader_, SectionType::kConfig, kConfigBytes, 1);
  if (!section.ok()) return section.status();
  std::vector<std::byte> buffer;
  const auto bytes = reader_.Read(**section, 0, 1, buffer);
  if (!bytes.ok()) return bytes.status();
  ByteReader in(*bytes);
  const auto config = DecodeCollectionConfig(in.Take(kCollectionConfigBytes), source_.name);
  if (!config.ok()) return config.status();
  count_ = in.Get<uint64_t>();
  last_lsn_ = in.Get<uint64_t>();
  if (!(*config == WithoutFields(source_.config))) {
    return Corrupt(reader_, SectionType::kConfig, "it is not the collection's configuration");
  }
  if (!AreZero(in.Take(in.left())) || last_lsn_ >= kNumberLimit || count_ > kMaxSlots) {
    return Corrupt(reader_, SectionType::kConfig, "a field is out of range");
  }
  return {};
}

Status CollectionLoader::AddRecord(EntryId entry, std::span<const std::byte> bytes) {
  if (!PointRecord::IsValid(bytes) || PointRecord(bytes.data()).lsn() > last_lsn_) {
    return Corrupt(reader_, SectionType::kRecords, "a record makes no sense");
  }
  if (collection_->keys_.Find(PointRecord(bytes.data()).key()) != kNoEntry) {
    return Corrupt(reader_, SectionType::kRecords, "a point is there twice");
  }
  std::byte* const record = collection_->records_.Allocate(bytes.size());
  std::memcpy(record, bytes.data(), bytes.size());
  collection_->entries_[entry].store(record, std::memory_order_relaxed);
  collection_->keys_.Put(entry);
  return {};
}

Status CollectionLoader::ReadRecords() {
  const auto ends = Require(reader_, SectionType::kRecordEnds, sizeof(uint64_t), count_);
  if (!ends.ok()) return ends.status();
  const auto records = Require(reader_, SectionType::kRecords, 1, kAnyCount);
  if (!records.ok()) return records.status();
  // From here on memory that is asked for is in proportion to the file's length.
  if (!collection_->entries_.Grow(static_cast<size_t>(count_))) {
    return {ErrorCode::kOutOfMemory, "no memory for the points of the checkpoint"};
  }
  collection_->keys_.Reserve(static_cast<size_t>(count_));
  std::vector<std::byte> end_buffer;
  std::vector<std::byte> record_buffer;
  constexpr uint64_t kStep = 4096;
  uint64_t begin = 0;
  for (uint64_t first = 0; first < count_; first += kStep) {
    const uint64_t count = std::min(kStep, count_ - first);
    const auto end_bytes = reader_.Read(**ends, first, count, end_buffer);
    if (!end_bytes.ok()) return end_bytes.status();
    const auto end_of = [&](uint64_t i) {
      return LoadLittleEndian<uint64_t>(end_bytes->data() + i * sizeof(uint64_t));
    };
    for (uint64_t i = 0; i < count;) {
      // As many records as one read brings in, but one at least.
      uint64_t past = i + 1;
      while (past < count && end_of(past) >= begin && end_of(past) - begin <= kPartReadBytes)
        ++past;
      const uint64_t end = end_of(past - 1);
      if (end < begin || end > (*records)->count) {
        return Corrupt(reader_, SectionType::kRecordEnds, "the ends are not in order");
      }
      const auto bytes = reader_.Read(**records, begin, end - begin, record_buffer);
      if (!bytes.ok()) return bytes.status();
      for (uint64_t at = begin; i < past; ++i) {
        if (end_of(i) < at || end_of(i) > end) {
          return Corrupt(reader_, SectionType::kRecordEnds, "the ends are not in order");
        }
        VITRINE_RETURN_IF_ERROR(AddRecord(
            static_cast<EntryId>(first + i),
            bytes->subspan(static_cast<size_t>(at - begin), static_cast<size_t>(end_of(i) - at))));
        at = end_of(i);
      }
      begin = end;
    }
  }
  if (begin != (*records)->count) {
    return Corrupt(reader_, SectionType::kRecords, "there is more than the points have");
  }
  return {};
}

Status CollectionLoader::ReadVectors() {
  const auto [type, dimension] = std::pair(source_.config.type, source_.config.dimension);
  const size_t row_bytes = RowBytes(source_.config);
  const auto section = Require(reader_, SectionType::kVectors, row_bytes, count_);
  if (!section.ok()) return section.status();
  const auto put = [&](const SectionElements& rows) {
    for (uint64_t i = 0; i < rows.count; ++i) {
      const auto row = rows.bytes.subspan(i * row_bytes, row_bytes);
      if (FindNonFinite(type, row.data(), dimension) != dimension ||
          !AreZero(row.subspan(VectorBytes(type, dimension)))) {
        return Corrupt(reader_, SectionType::kVectors, "a vector is not finite, or not padded");
      }
      table_->PutVector(static_cast<uint32_t>(rows.first + i), row.data());
    }
    return Status();
  };
  return ForEachElements(reader_, **section, source_.pool, source_.threads, put);
}

Status CollectionLoader::ReadPoints() {
  VITRINE_RETURN_IF_ERROR(ReadConfig());
  collection_.reset(new Collection(source_.id, source_.name, source_.config));
  VITRINE_RETURN_IF_ERROR(ReadRecords());
  Result<TableRestorer> table =
      TableRestorer::Create(source_.config.table_options(source_.threads), *source_.kernels,
                            source_.pool, static_cast<size_t>(count_));
  if (!table.ok()) return table.status();
  table_.emplace(std::move(*table));
  return ReadVectors();
}

Status CollectionLoader::ReadGraph(const ContainerReader& graph, const Digest128& primary) {
  const auto config = Require(graph, SectionType::kConfig, kConfigBytes, 1);
  if (!config.ok()) return config.status();
  std::vector<std::byte> buffer;
  const auto bytes = graph.Read(**config, 0, 1, buffer);
  if (!bytes.ok()) return bytes.status();
  ByteReader in(*bytes);
  const std::span<const std::byte> root = in.Take(primary.size());
  const uint64_t count = in.Get<uint64_t>();
  const uint32_t width = in.Get<uint32_t>();
  const uint32_t reserved = in.Get<uint32_t>();
  TableImage::Entries entries;
  entries.offered = in.Get<uint64_t>();
  entries.stride = in.Get<uint64_t>();
  const uint32_t codes = in.Get<uint32_t>();
  const bool belongs = std::equal(root.begin(), root.end(), primary.begin());
  if (!(belongs || SeededDefect("graph-of-other-points")) || count != count_ ||
      width != table_->width() || reserved != 0 || !AreZero(in.Take(in.left()))) {
    return Corrupt(graph, SectionType::kConfig, "it belongs to other points");
  }
  const auto hosts = Require(graph, SectionType::kHosts, sizeof(uint32_t), count_);
  if (!hosts.ok()) return hosts.status();
  const auto links =
      Require(graph, SectionType::kLinks, uint64_t{width} * sizeof(uint32_t), count_);
  if (!links.ok()) return links.status();
  const auto starts = Require(graph, SectionType::kEntries, sizeof(uint32_t), kAnyCount);
  if (!starts.ok()) return starts.status();
  const auto host_words = ReadWords(graph, **hosts, source_);
  if (!host_words.ok()) return host_words.status();
  const auto link_words = ReadWords(graph, **links, source_);
  if (!link_words.ok()) return link_words.status();
  Result<std::vector<uint32_t>> entry_words = ReadWords(graph, **starts, source_);
  if (!entry_words.ok()) return entry_words.status();
  entries.points = std::move(*entry_words);
  if (const SectionEntry* const section = graph.Find(SectionType::kCalibration)) {
    Result<StoredCalibration> stored = ReadCalibration(graph, *section);
    if (!stored.ok()) return stored.status();
    calibration_ = std::move(*stored);
  }
  const std::string wrong = table_->SetGraph({*host_words, *link_words, std::move(entries)});
  if (!wrong.empty()) return Corrupt(graph, SectionType::kLinks, wrong);
  return ReadCodes(graph, codes);
}

// Codes follow from the vectors and their centre.
Status CollectionLoader::ReadCodes(const ContainerReader& graph, uint32_t kind) {
  const auto made = static_cast<Quantization>(kind);
  const Quantization asked = source_.config.quantization;
  if (made == Quantization::kNone) return {};
  if (kind > static_cast<uint32_t>(Quantization::kRq4) ||
      (asked != Quantization::kAuto && asked != made) ||
      !QuantizationFits(source_.config.type, made)) {
    return Corrupt(graph, SectionType::kConfig, "the codes are not those that were asked for");
  }
  const auto section =
      Require(graph, SectionType::kCodeCentre, sizeof(float), source_.config.dimension);
  if (!section.ok()) return section.status();
  const auto words = ReadWords(graph, **section, source_);
  if (!words.ok()) return words.status();
  std::vector<float> centre(words->size());
  std::transform(words->begin(), words->end(), centre.begin(),
                 [](uint32_t word) { return std::bit_cast<float>(word); });
  if (!std::all_of(centre.begin(), centre.end(), [](float x) { return std::isfinite(x); })) {
    return Corrupt(graph, SectionType::kCodeCentre, "it is not finite");
  }
  table_->SetCodes(made, std::move(centre));
  return {};
}

// Which entries there are, and what they hold in the collection's fields.
void CollectionLoader::FillColumns() {
  Collection& collection = *collection_;
  collection.present_.Grow(static_cast<size_t>(count_));
  for (EntryId entry = 0; entry < count_; ++entry) {
    collection.present_.Set(entry);
    collection.columns_.Add(entry, table_->RowOf(entry), collection.RecordOf(entry).payload());
  }
}

std::shared_ptr<Collection> CollectionLoader::Finish() {
  collection_->table_ = table_->Finish();
  if (calibration_ && collection_->linked()) {
    collection_->table_->RestoreCalibration(std::move(calibration_->calibration),
                                            calibration_->ended);
  }
  FillColumns();
  if (!collection_->linked()) collection_->columns_.ForgetRows();
  collection_->next_entry_ = static_cast<EntryId>(count_);
  collection_->last_lsn_.store(last_lsn_, std::memory_order_release);
  collection_->record_bytes_.store(collection_->records_.memory_bytes(), std::memory_order_relaxed);
  return std::move(collection_);
}

Result<Manifest::Part> WriteCollection(const CheckpointPlace& place, uint64_t epoch,
                                       const Collection& collection, Collection::Image& image) {
  CheckpointFile primary{.epoch = epoch, .collection = collection.id()};
  VITRINE_RETURN_IF_ERROR(WriteCheckpointFile(place, primary, [&](ContainerWriter& writer) {
    return WritePoints(writer, collection, image);
  }));
  Manifest::Part part{.collection = collection.id(),
                      .epoch = epoch,
                      .primary_bytes = primary.bytes,
                      .primary_root = primary.root};
  if (!image.table().linked()) return part;
  CheckpointFile graph{.epoch = epoch, .collection = collection.id(), .file = PartFile::kGraph};
  image.table().NumberRows();
  VITRINE_RETURN_IF_ERROR(WriteCheckpointFile(place, graph, [&](ContainerWriter& writer) {
    return WriteGraph(writer, image.table(), primary.root);
  }));
  part.graph_bytes = graph.bytes;
  part.graph_root = graph.root;
  return part;
}

Result<LoadedCollection> ReadCollection(const CheckpointPlace& place, const Manifest::Part& part,
                                        const CollectionSource& source) {
  const auto primary = OpenCheckpointFile(place, {.epoch = part.epoch,
                                                  .collection = part.collection,
                                                  .bytes = part.primary_bytes,
                                                  .root = part.primary_root});
  if (!primary.ok()) return primary.status();
  CollectionLoader loader(**primary, source);
  VITRINE_RETURN_IF_ERROR(loader.ReadPoints());
  LoadedCollection loaded;
  if (part.graph_bytes != 0) {
    const auto graph = OpenCheckpointFile(place, {.epoch = part.epoch,
                                                  .collection = part.collection,
                                                  .file = PartFile::kGraph,
                                                  .bytes = part.graph_bytes,
                                                  .root = part.graph_root});
    loaded.graph = graph.ok() ? loader.ReadGraph(**graph, part.primary_root) : graph.status();
    // What the device refuses now it may give at the next attempt; nothing is lost by waiting.
    if (!loaded.graph.ok() && loaded.graph.code() != ErrorCode::kCorrupt) return loaded.graph;
  }
  loaded.collection = loader.Finish();
  return loaded;
}

}  // namespace vitrine
