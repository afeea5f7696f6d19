// The reading half of engine/collection_checkpoint.h: every value is checked after its checksum and
// before it is used.

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/pages.h"
#include "base/seeded_defect.h"
#include "engine/code_sections.h"
#include "engine/collection_checkpoint.h"
#include "engine/collection_file.h"
#include "engine/collection_sections.h"
#include "engine/mapped_collection.h"
#include "engine/recall_file.h"
#include "engine/section_elements.h"
#include "engine/table_restorer.h"
#include "storage/byte_stream.h"
#include "storage/file_checks.h"

namespace vitrine {
namespace {

// What is brought together on demand, about. Rows of three, six ... 64ths of a block begin and end
// groups of three blocks where these do.
constexpr size_t kLazyBytes = kBlockBytes;
constexpr size_t kLazyVectorBytes = 3 * kBlockBytes;
// Of codes, unless there are more of them: a search meets so many that most groups come.
constexpr size_t kLazyCodeBytes = 3 * kBlockBytes;
constexpr size_t kFewCodesBytes = size_t{256} << 20;

// What one read of records brings in, about: with the ends of blocks no more than one of vectors.
constexpr uint64_t kRecordReadBytes = kSectionReadBytes - kBlockBytes;

// What the config of either file says, in `buffer` if it is nowhere else.
Result<std::span<const std::byte>> ReadPartConfig(const ContainerReader& reader,
                                                  std::vector<std::byte>& buffer) {
  const auto section = RequireSection(reader, SectionType::kConfig, kPartConfigBytes, 1);
  if (!section.ok()) return section.status();
  return reader.Read(**section, 0, 1, buffer);
}

// All words of a section, whatever its elements are made of.
//   buffer  memory to reuse
Result<std::vector<uint32_t>> ReadWords(const ContainerReader& reader, const SectionEntry& section,
                                        std::vector<std::byte>& buffer) {
  const size_t width = section.element_bytes / sizeof(uint32_t);
  std::vector<uint32_t> words(static_cast<size_t>(section.count) * width);
  VITRINE_RETURN_IF_ERROR(ForEachElementsInTurn(reader, section, buffer, [&](const auto& elements) {
    CopyWords(elements.bytes, words.data() + elements.first * width);
    return Status();
  }));
  return words;
}

}  // namespace

class CollectionLoader {
 public:
  CollectionLoader(std::shared_ptr<const ContainerReader> reader, const CollectionSource& source)
      : source_(source), files_(std::make_shared<Files>()), reader_(*reader) {
    files_->primary = std::move(reader);
  }

  Status ReadPoints();
  Status ReadGraph(std::shared_ptr<const ContainerReader> reader, const Digest128& primary);
  Result<std::shared_ptr<Collection>> Finish();

 private:
  // What is read on demand, until nothing is any more.
  struct Files {
    std::shared_ptr<const ContainerReader> primary;
    std::shared_ptr<const ContainerReader> graph;
  };
  using File = std::shared_ptr<const ContainerReader> Files::*;
  // What a graph file's config says.
  struct GraphConfig {
    TableImage::Entries entries;
    uint32_t codes = 0;
  };

  Status ReadConfig();
  Status ReadRecords(std::vector<std::byte>& buffer);
  Status AddRecord(EntryId entry, std::span<const std::byte> bytes);
  Status ReadVectors(const SectionEntry& section);
  Status LeaveVectors(const SectionEntry& section);
  Result<GraphConfig> ReadGraphConfig(const ContainerReader& graph, const Digest128& primary) const;
  Result<std::vector<TableRestorer::Guest>> ReadGuests(const ContainerReader& graph,
                                                       const SectionEntry& section);
  Status BeginGraph(const ContainerReader& graph, TableImage::Entries entries);
  Status ReadLinks(const ContainerReader& graph);
  std::unique_ptr<const LazyRows> LeaveLinks(const SectionEntry& section) const;
  Status CheckOutsiders(const ContainerReader& graph);
  Status ReadCalibrationOf(const ContainerReader& graph);
  Status ReadCentre(const ContainerReader& graph, uint32_t kind);
  Status ReadCodes(const ContainerReader& graph);
  // Rows of a section that `put(reader, elements)` -> Status puts where they are used.
  template <typename Put>
  std::unique_ptr<const LazyRows> Leave(File file, const SectionEntry& section, size_t group_bytes,
                                        Put put) const;

  const CollectionSource& source_;
  const std::shared_ptr<Files> files_;
  const ContainerReader& reader_;
  SectionBuffers buffers_ = SectionBuffers(1);
  PageRegion region_;  // of what every point has
  std::shared_ptr<Collection> collection_;
  std::optional<TableRestorer> table_;
  std::optional<StoredCalibration> calibration_;
  uint64_t count_ = 0;
  uint64_t last_lsn_ = 0;
};

template <typename Put>
std::unique_ptr<const LazyRows> CollectionLoader::Leave(File file, const SectionEntry& section,
                                                        size_t group_bytes, Put put) const {
  return std::make_unique<const LazyRows>(
      static_cast<size_t>(count_), section.element_bytes, group_bytes,
      [files = files_, file, section, put = std::move(put)](Slot first, size_t count,
                                                            std::vector<std::byte>& buffer) {
        const ContainerReader& reader = *((*files).*file);
        const auto bytes = reader.Read(section, first, count, buffer);
        return bytes.ok() ? put(reader, SectionElements{first, count, *bytes}) : bytes.status();
      });
}

Status CollectionLoader::ReadConfig() {
  std::vector<std::byte> buffer;
  const auto bytes = ReadPartConfig(reader_, buffer);
  if (!bytes.ok()) return bytes.status();
  ByteReader in(*bytes);
  const auto config = DecodeCollectionConfig(in.Take(kCollectionConfigBytes), source_.name);
  if (!config.ok()) return config.status();
  count_ = in.Get<uint64_t>();
  last_lsn_ = in.Get<uint64_t>();
  if (!(*config == WithoutFields(source_.config))) {
    return CorruptSection(reader_, SectionType::kConfig,
                          "it is not the collection's configuration");
  }
  if (!AreZero(in.Take(in.left())) || last_lsn_ >= kNumberLimit || count_ > kMaxSlots) {
    return CorruptSection(reader_, SectionType::kConfig, "a field is out of range");
  }
  return {};
}

Status CollectionLoader::AddRecord(EntryId entry, std::span<const std::byte> bytes) {
  if (!PointRecord::IsValid(bytes) || PointRecord(bytes.data()).lsn() > last_lsn_) {
    return CorruptSection(reader_, SectionType::kRecords, "a record makes no sense");
  }
  std::byte* const record = collection_->records_.Allocate(bytes.size());
  std::memcpy(record, bytes.data(), bytes.size());
  collection_->entries_[entry].store(record, std::memory_order_relaxed);
  collection_->present_.Set(entry);
  return {};
}

//   buffer  memory to reuse
Status CollectionLoader::ReadRecords(std::vector<std::byte>& buffer) {
  const auto ends = RequireSection(reader_, SectionType::kRecordEnds, sizeof(uint64_t), count_);
  if (!ends.ok()) return ends.status();
  const auto records = RequireSection(reader_, SectionType::kRecords, 1, kAnyCount);
  if (!records.ok()) return records.status();
  // From here on memory that is asked for is in proportion to the file's length.
  if (!collection_->entries_.Grow(static_cast<size_t>(count_), &region_)) {
    return {ErrorCode::kOutOfMemory, "no memory for the points of the checkpoint"};
  }
  collection_->keys_.Reserve(static_cast<size_t>(count_), &region_);
  collection_->columns_.Reserve(static_cast<size_t>(count_));
  collection_->records_.Reserve(static_cast<size_t>((*records)->count));
  collection_->present_.Grow(static_cast<size_t>(count_));
  KeyMap::Filling keys(collection_->keys_, static_cast<size_t>(count_));
  std::vector<std::byte> end_buffer;
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
      while (past < count && end_of(past) >= begin && end_of(past) - begin <= kRecordReadBytes)
        ++past;
      const uint64_t end = end_of(past - 1);
      if (end < begin || end > (*records)->count) {
        return CorruptSection(reader_, SectionType::kRecordEnds, "the ends are not in order");
      }
      const auto bytes = reader_.Read(**records, begin, end - begin, buffer);
      if (!bytes.ok()) return bytes.status();
      const auto added = static_cast<EntryId>(first + i);
      for (uint64_t at = begin; i < past; ++i) {
        if (end_of(i) < at || end_of(i) > end) {
          return CorruptSection(reader_, SectionType::kRecordEnds, "the ends are not in order");
        }
        VITRINE_RETURN_IF_ERROR(AddRecord(
            static_cast<EntryId>(first + i),
            bytes->subspan(static_cast<size_t>(at - begin), static_cast<size_t>(end_of(i) - at))));
        at = end_of(i);
      }
      const auto more = static_cast<size_t>(first + past - added);
      collection_->columns_.AddMany(added, more, [&](EntryId entry) {
        return PointRecord(collection_->entries_[entry].load(std::memory_order_relaxed)).payload();
      });
      if (!keys.Put(added, more)) {
        return CorruptSection(reader_, SectionType::kRecords, "a point is there twice");
      }
      begin = end;
    }
  }
  if (begin != (*records)->count) {
    return CorruptSection(reader_, SectionType::kRecords, "there is more than the points have");
  }
  return {};
}

// Looks at every vector, beside the records and what there is of a point besides; they are put
// where they are used when they are.
Status CollectionLoader::ReadVectors(const SectionEntry& section) {
  const auto look = [&](const SectionElements& rows) {
    return ForEachVector(reader_, source_.config, rows, [&](uint32_t point, const void* vector) {
      table_->NoteVector(point, vector);
    });
  };
  return ForEachElements(reader_, section, source_.pool, source_.threads, buffers_, look,
                         [&](std::vector<std::byte>& buffer) {
                           table_->AddPoints();
                           return ReadRecords(buffer);
                         });
}

Status CollectionLoader::LeaveVectors(const SectionEntry& section) {
  if (count_ == 0) return {};
  if (source_.config.vectors == VectorPlace::kMapped) {
    auto mapped = MapPoints(files_->primary, section, source_.config);
    if (mapped.ok()) table_->MapVectors(std::move(*mapped));
    return mapped.ok() ? Status() : mapped.status();
  }
  // Fields do not matter, and would be copied.
  const auto put = [target = table_->target(), config = WithoutFields(source_.config)](
                       const ContainerReader& reader, const SectionElements& rows) {
    return ForEachVector(reader, config, rows, [&](uint32_t point, const void* vector) {
      target.RestoreVector(point, vector);
    });
  };
  table_->UseVectors(Leave(&Files::primary, section, kLazyVectorBytes, put));
  return {};
}

Status CollectionLoader::ReadPoints() {
  VITRINE_RETURN_IF_ERROR(ReadConfig());
  const auto vectors =
      RequireSection(reader_, SectionType::kVectors, VectorElementBytes(source_.config), count_);
  if (!vectors.ok()) return vectors.status();
  collection_.reset(new Collection(source_.id, source_.name, source_.config));
  // Memory that is asked for is in proportion to the file's length.
  constexpr size_t kRegionBytes =
      TableRestorer::kRegionBytes + KeyMap::kRegionBytes + sizeof(std::byte*);
  region_ = PageRegion(std::bit_ceil(static_cast<size_t>(count_)) * kRegionBytes);
  Result<TableRestorer> table =
      TableRestorer::Create(source_.config.table_options(source_.threads), *source_.kernels,
                            source_.pool, static_cast<size_t>(count_), &region_);
  if (!table.ok()) return table.status();
  table_.emplace(std::move(*table));
  VITRINE_RETURN_IF_ERROR(ReadVectors(**vectors));
  return LeaveVectors(**vectors);
}

Result<CollectionLoader::GraphConfig> CollectionLoader::ReadGraphConfig(
    const ContainerReader& graph, const Digest128& primary) const {
  std::vector<std::byte> buffer;
  const auto bytes = ReadPartConfig(graph, buffer);
  if (!bytes.ok()) return bytes.status();
  ByteReader in(*bytes);
  const std::span<const std::byte> root = in.Take(primary.size());
  const uint64_t count = in.Get<uint64_t>();
  const uint32_t width = in.Get<uint32_t>();
  const uint32_t reserved = in.Get<uint32_t>();
  GraphConfig config;
  config.entries.offered = in.Get<uint64_t>();
  config.entries.stride = in.Get<uint64_t>();
  config.codes = in.Get<uint32_t>();
  const bool belongs = std::equal(root.begin(), root.end(), primary.begin());
  if (!(belongs || SeededDefect("graph-of-other-points")) || count != count_ ||
      width != table_->width() || reserved != 0 || !AreZero(in.Take(in.left()))) {
    return CorruptSection(graph, SectionType::kConfig, "it belongs to other points");
  }
  return config;
}

// A section that says of each point whose row it is in: nearly always its own.
Result<std::vector<TableRestorer::Guest>> CollectionLoader::ReadGuests(
    const ContainerReader& graph, const SectionEntry& section) {
  std::vector<TableRestorer::Guest> guests;
  VITRINE_RETURN_IF_ERROR(
      ForEachElementsInTurn(graph, section, buffers_.front(), [&](const SectionElements& elements) {
        for (uint64_t i = 0; i < elements.count; ++i) {
          const auto point = static_cast<uint32_t>(elements.first + i);
          const auto host = LoadLittleEndian<uint32_t>(elements.bytes.data() + i * sizeof(point));
          if (host != point) guests.push_back({point, host});
        }
        return Status();
      }));
  return guests;
}

Status CollectionLoader::BeginGraph(const ContainerReader& graph, TableImage::Entries entries) {
  const auto hosts = RequireSection(graph, SectionType::kHosts, sizeof(uint32_t), count_);
  if (!hosts.ok()) return hosts.status();
  const auto starts = RequireSection(graph, SectionType::kEntries, sizeof(uint32_t), kAnyCount);
  if (!starts.ok()) return starts.status();
  Result<std::vector<TableRestorer::Guest>> guests = ReadGuests(graph, **hosts);
  if (!guests.ok()) return guests.status();
  Result<std::vector<uint32_t>> entry_words = ReadWords(graph, **starts, buffers_.front());
  if (!entry_words.ok()) return entry_words.status();
  entries.points = std::move(*entry_words);
  Status status = table_->BeginGraph({.guests = std::move(*guests),
                                      .entries = std::move(entries),
                                      .connected = graph.Find(SectionType::kOutsiders) != nullptr});
  // What is wrong with a graph is damage of its file; what cannot be read of vectors is not.
  if (status.ok() || status.code() != ErrorCode::kCorrupt || !status.details().empty()) {
    return status;
  }
  return CorruptSection(graph, SectionType::kHosts, status.message());
}

// Looks at every link; they are stored when they are used.
Status CollectionLoader::ReadLinks(const ContainerReader& graph) {
  const auto section = RequireSection(graph, SectionType::kLinks,
                                      uint64_t{table_->width()} * sizeof(uint32_t), count_);
  if (!section.ok()) return section.status();
  return ForEachElements(graph, **section, source_.pool, source_.threads, buffers_,
                         [&](const SectionElements& elements) {
                           return ForEachLinks(graph, *table_->link_rules(), table_->width(),
                                               elements,
                                               [](uint32_t, std::span<const uint32_t>) {});
                         });
}

std::unique_ptr<const LazyRows> CollectionLoader::LeaveLinks(const SectionEntry& section) const {
  const auto put = [target = table_->target(), rules = table_->link_rules(),
                    width = table_->width()](const ContainerReader& reader,
                                             const SectionElements& elements) {
    return ForEachLinks(reader, *rules, width, elements,
                        [&](uint32_t point, std::span<const uint32_t> words) {
                          target.RestoreLinks(point, words);
                        });
  };
  return Leave(&Files::graph, section, kLazyBytes, put);
}

// REQUIRES: the graph has begun
Status CollectionLoader::CheckOutsiders(const ContainerReader& graph) {
  if (graph.Find(SectionType::kOutsiders) == nullptr) return {};
  const auto section = RequireSection(graph, SectionType::kOutsiders, sizeof(uint32_t), kAnyCount);
  if (!section.ok()) return section.status();
  const auto words = ReadWords(graph, **section, buffers_.front());
  if (!words.ok()) return words.status();
  if (*words == table_->Outsiders()) return {};
  return CorruptSection(graph, SectionType::kOutsiders, "the points outside the graph are others");
}

Status CollectionLoader::ReadCalibrationOf(const ContainerReader& graph) {
  const SectionEntry* const section = graph.Find(SectionType::kCalibration);
  if (section == nullptr) return {};
  Result<StoredCalibration> stored = ReadCalibration(graph, *section);
  if (!stored.ok()) return stored.status();
  calibration_ = std::move(*stored);
  return {};
}

Status CollectionLoader::ReadGraph(std::shared_ptr<const ContainerReader> reader,
                                   const Digest128& primary) {
  const ContainerReader& graph = *(files_->graph = std::move(reader));
  Result<GraphConfig> config = ReadGraphConfig(graph, primary);
  if (!config.ok()) return config.status();
  VITRINE_RETURN_IF_ERROR(BeginGraph(graph, std::move(config->entries)));
  VITRINE_RETURN_IF_ERROR(ReadLinks(graph));
  VITRINE_RETURN_IF_ERROR(CheckOutsiders(graph));
  VITRINE_RETURN_IF_ERROR(ReadCalibrationOf(graph));
  VITRINE_RETURN_IF_ERROR(ReadCentre(graph, config->codes));
  VITRINE_RETURN_IF_ERROR(ReadCodes(graph));
  if (count_ == 0) return {};
  return table_->UseGraph(LeaveLinks(*graph.Find(SectionType::kLinks)));
}

// Codes follow from the vectors and their centre.
Status CollectionLoader::ReadCentre(const ContainerReader& graph, uint32_t kind) {
  const auto made = static_cast<Quantization>(kind);
  const Quantization asked = source_.config.quantization;
  if (made == Quantization::kNone) return {};
  if (kind > static_cast<uint32_t>(Quantization::kRq4) ||
      (asked != Quantization::kAuto && asked != made) ||
      !QuantizationFits(source_.config.type, made)) {
    return CorruptSection(graph, SectionType::kConfig,
                          "the codes are not those that were asked for");
  }
  const auto section =
      RequireSection(graph, SectionType::kCodeCentre, sizeof(float), source_.config.dimension);
  if (!section.ok()) return section.status();
  const auto words = ReadWords(graph, **section, buffers_.front());
  if (!words.ok()) return words.status();
  std::vector<float> centre(words->size());
  std::transform(words->begin(), words->end(), centre.begin(),
                 [](uint32_t word) { return std::bit_cast<float>(word); });
  if (!std::all_of(centre.begin(), centre.end(), [](float x) { return std::isfinite(x); })) {
    return CorruptSection(graph, SectionType::kCodeCentre, "it is not finite");
  }
  table_->SetCodes(made, std::move(centre));
  return {};
}

// What stands beside codes is restored, codes when they are used, neither if memory is refused.
Status CollectionLoader::ReadCodes(const ContainerReader& graph) {
  if (count_ == 0 || table_->codes() == Quantization::kNone) return {};
  CodeStore* const store = table_->BeginCodes();
  if (store == nullptr) return {};
  const CodeSections types = CodeSectionsOf(*store);
  if (graph.Find(types.codes) == nullptr) return {};
  const auto codes = RequireSection(graph, types.codes, store->row_bytes(), count_);
  if (!codes.ok()) return codes.status();
  const auto sides = RequireSection(graph, types.sides, store->side_bytes(), count_);
  if (!sides.ok()) return sides.status();
  const auto restore = [&](const SectionElements& elements) {
    for (uint64_t i = 0; i < elements.count; ++i) {
      if (!store->RestoreSide(static_cast<Slot>(elements.first + i),
                              elements.bytes.data() + i * store->side_bytes())) {
        return CorruptSection(graph, types.sides, "a factor is out of range");
      }
    }
    return Status();
  };
  // The memory of sides is new, and takes as long to come by as codes take to be read.
  VITRINE_RETURN_IF_ERROR(ForEachElements(
      graph, **codes, source_.pool, source_.threads, buffers_,
      [](const SectionElements&) { return Status(); },
      [&](std::vector<std::byte>& buffer) {
        return ForEachElementsInTurn(graph, **sides, buffer, restore);
      }));
  const size_t group_bytes = (*codes)->length <= kFewCodesBytes ? kLazyCodeBytes : kLazyBytes;
  table_->UseCodes(Leave(&Files::graph, **codes, group_bytes,
                         [store](const ContainerReader&, const SectionElements& elements) {
                           for (uint64_t i = 0; i < elements.count; ++i) {
                             store->RestoreRow(static_cast<Slot>(elements.first + i),
                                               elements.bytes.data() + i * store->row_bytes());
                           }
                           return Status();
                         }));
  return {};
}

Result<std::shared_ptr<Collection>> CollectionLoader::Finish() {
  Result<std::unique_ptr<Table>> table = table_->Finish([files = files_] { *files = {}; });
  if (!table.ok()) return table.status();
  collection_->table_ = std::move(*table);
  if (calibration_ && collection_->linked()) {
    collection_->table_->RestoreCalibration(std::move(calibration_->calibration),
                                            calibration_->ended);
  }
  for (const auto& [point, host] : table_->guests()) collection_->columns_.MoveTo(point, host);
  if (!collection_->linked()) collection_->columns_.ForgetRows();
  collection_->next_entry_ = static_cast<EntryId>(count_);
  collection_->last_lsn_.store(last_lsn_, std::memory_order_release);
  collection_->record_bytes_.store(collection_->records_.memory_bytes(), std::memory_order_relaxed);
  return std::move(collection_);
}

Result<LoadedCollection> ReadCollection(const CheckpointPlace& place, const Manifest::Part& part,
                                        const CollectionSource& source) {
  auto primary = OpenPrimary(place, part);
  if (!primary.ok()) return primary.status();
  LoadedCollection loaded;
  loaded.record_bytes = RecordBytes(**primary);
  CollectionLoader loader(std::move(*primary), source);
  VITRINE_RETURN_IF_ERROR(loader.ReadPoints());
  if (part.graph_bytes != 0) {
    auto graph = OpenCheckpointFile(place, {.epoch = part.epoch,
                                            .collection = part.collection,
                                            .file = PartFile::kGraph,
                                            .bytes = part.graph_bytes,
                                            .root = part.graph_root});
    loaded.graph =
        graph.ok() ? loader.ReadGraph(std::move(*graph), part.primary_root) : graph.status();
    // What the device refuses now it may give at the next attempt; nothing is lost by waiting.
    if (!loaded.graph.ok() && loaded.graph.code() != ErrorCode::kCorrupt) return loaded.graph;
  }
  Result<std::shared_ptr<Collection>> collection = loader.Finish();
  if (!collection.ok()) return collection.status();
  loaded.collection = std::move(*collection);
  return loaded;
}

}  // namespace vitrine
