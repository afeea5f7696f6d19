// The reading half of engine/table_file.h: every value is checked after its checksum and before it
// is used (docs/formats/index-file.md, "Rules of reading").

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/byte_order.h"
#include "engine/recall_file.h"
#include "engine/section_elements.h"
#include "engine/table_file.h"
#include "engine/table_file_format.h"
#include "storage/container_reader.h"

namespace vitrine {
namespace {

constexpr size_t kSerialElements = 65'536;

}  // namespace

class TableLoader {
 public:
  TableLoader(const ContainerReader& reader, const KernelTable& kernels, ThreadPool* pool,
              size_t threads)
      : reader_(reader), kernels_(kernels), pool_(pool), threads_(threads) {}

  Result<std::unique_ptr<Table>> Load();

 private:
  using Elements = SectionElements;

  Status FindSections();
  Status ReadConfig();
  Status CheckConfig() const;
  Status CheckSizes() const;
  Status CreateTable();
  Status ReadOwners();
  Status ReadGuests();
  Status CheckPoints() const;
  Status ReadVectors();
  Status ReadLinks();
  Status ReadEntries();
  Status MakeCodes();

  // Calls visit(elements) -> Status with all elements of a section, in order.
  template <typename Visitor>
  Status ForEach(const SectionEntry& section, Visitor visit) const;
  // The same on several threads, in any order.
  template <typename Visitor>
  Status ForEachParallel(const SectionEntry& section, Visitor visit) const {
    return ForEachElements(reader_, section, pool_, table_->Parallelism(), visit);
  }

  Status AddPoint(PointId id, PointRef ref, const SectionEntry& section, uint64_t element);
  Status CheckWords(uint32_t row, std::span<const uint32_t> words) const;
  const SectionEntry& Section(SectionType type) const {
    return *sections_[static_cast<size_t>(type)];
  }
  Status Corrupt(SectionType type, uint64_t element, std::string_view what) const {
    return Corrupt(Section(type), element, what);
  }
  Status Corrupt(const SectionEntry& section, uint64_t element, std::string_view what) const {
    return reader_.Corrupt(SectionName(section.type),
                           section.offset + element * section.element_bytes, what);
  }
  PointId LastId() const { return table_->id_type() == IdType::kU64 ? UINT64_MAX : UINT32_MAX; }

  static constexpr size_t kTypes = static_cast<size_t>(SectionType::kEntries) + 1;

  const ContainerReader& reader_;
  const KernelTable& kernels_;
  ThreadPool* const pool_;
  const size_t threads_;
  std::array<const SectionEntry*, kTypes> sections_{};
  const SectionEntry* centre_ = nullptr;  // where there are codes
  const SectionEntry* calibration_ = nullptr;
  IndexConfig config_;
  std::unique_ptr<Table> table_;
  PointId highest_id_ = 0;
};

Result<std::unique_ptr<Table>> TableLoader::Load() {
  VITRINE_RETURN_IF_ERROR(FindSections());
  VITRINE_RETURN_IF_ERROR(ReadConfig());
  VITRINE_RETURN_IF_ERROR(CheckConfig());
  VITRINE_RETURN_IF_ERROR(CheckSizes());
  VITRINE_RETURN_IF_ERROR(CreateTable());
  VITRINE_RETURN_IF_ERROR(ReadOwners());
  VITRINE_RETURN_IF_ERROR(ReadGuests());
  VITRINE_RETURN_IF_ERROR(CheckPoints());
  VITRINE_RETURN_IF_ERROR(ReadVectors());
  VITRINE_RETURN_IF_ERROR(ReadLinks());
  VITRINE_RETURN_IF_ERROR(ReadEntries());
  table_->graph_.FinishRestore(table_->WriterScratch(0));
  VITRINE_RETURN_IF_ERROR(MakeCodes());
  if (calibration_ == nullptr) return std::move(table_);
  Result<StoredCalibration> stored = ReadCalibration(reader_, *calibration_);
  if (!stored.ok()) return stored.status();
  table_->RestoreCalibration(std::move(stored->calibration), stored->ended);
  return std::move(table_);
}

Status TableLoader::FindSections() {
  for (const SectionEntry& section : reader_.sections()) {
    if (section.type > 0 && section.type < kTypes) {
      sections_[section.type] = &section;
    } else if (section.type == static_cast<uint32_t>(SectionType::kCodeCentre)) {
      centre_ = &section;
    } else if (section.type == static_cast<uint32_t>(SectionType::kCalibration)) {
      calibration_ = &section;
    } else if ((section.flags & SectionEntry::kMayBeIgnored) == 0) {
      return reader_.Unknown("needs what this version does not know: " + SectionName(section.type));
    }
  }
  for (uint32_t type = 1; type < kTypes; ++type) {
    if (sections_[type] == nullptr) {
      return reader_.Corrupt("section table", 0, SectionName(type) + " is missing");
    }
  }
  return {};
}

Status TableLoader::ReadConfig() {
  const SectionEntry& section = Section(SectionType::kConfig);
  if (section.count != 1 || section.element_bytes != IndexConfig::kBytes) {
    return Corrupt(section, 0, "it is not of 128 bytes");
  }
  std::vector<std::byte> buffer;
  const auto bytes = reader_.Read(section, 0, 1, buffer);
  if (!bytes.ok()) return bytes.status();
  config_ = DecodeConfig(bytes->data());
  const auto reserved = bytes->subspan(IndexConfig::kReservedFrom);
  if (std::any_of(reserved.begin(), reserved.end(), [](std::byte b) { return b != std::byte{}; })) {
    return Corrupt(section, 0, "reserved bytes are not zero");
  }
  return {};
}

Status TableLoader::CheckConfig() const {
  const auto unknown = [&](std::string_view what, uint32_t value) {
    return reader_.Unknown("needs what this version does not know: " + std::string(what) + " " +
                           std::to_string(value));
  };
  if (config_.metric >= std::size(kMetricNames)) return unknown("metric", config_.metric);
  if (config_.scalar_type >= std::size(kVectorTypeNames)) {
    return unknown("scalar type", config_.scalar_type);
  }
  if (config_.id_type > 1) return unknown("id type", config_.id_type);
  if (config_.quantization >= std::size(kQuantizationNames)) {
    return unknown("quantization", config_.quantization);
  }
  if (config_.codes > static_cast<uint32_t>(Quantization::kRq4)) {
    return unknown("codes", config_.codes);
  }
  const auto corrupt = [&](std::string_view what) {
    return Corrupt(SectionType::kConfig, 0, what);
  };
  const auto asked = static_cast<Quantization>(config_.quantization);
  const auto made = static_cast<Quantization>(config_.codes);
  if (made != Quantization::kNone && asked != Quantization::kAuto && asked != made) {
    return corrupt("the codes are not those that were asked for");
  }
  if ((made != Quantization::kNone) != (centre_ != nullptr)) {
    return corrupt("codes have a centre, and nothing else has");
  }
  if (config_.dimension < 1 || config_.dimension > kMaxDimension) {
    return corrupt("the dimension is out of range");
  }
  const auto type = static_cast<VectorType>(config_.scalar_type);
  if (!DimensionFits(type, config_.dimension) ||
      !MetricFits(type, static_cast<Metric>(config_.metric)) || !QuantizationFits(type, asked) ||
      !QuantizationFits(type, made)) {
    return corrupt("the scalar type does not go with dimension, metric or codes");
  }
  if (config_.m < 2 || config_.m > 128) return corrupt("m is out of range");
  if (config_.ef_construction < 1 || config_.ef_construction > kMaxEf) {
    return corrupt("efConstruction is out of range");
  }
  if (config_.rows > kMaxSlots) return corrupt("there are too many rows");
  if (config_.id_type == 0 && config_.next_id > uint64_t{1} << 32) {
    return corrupt("the next id is out of range");
  }
  if (!std::has_single_bit(config_.entries_stride) || config_.entries_offered > kMaxVersion ||
      config_.entries_stride > std::max<uint64_t>(config_.entries_offered, 1)) {
    return corrupt("the spacing of entries is out of range");
  }
  if (reader_.covered_version() < 1 || reader_.covered_version() > kMaxVersion) {
    return reader_.Corrupt("footer", reader_.file_bytes() - kPageBytes + 24,
                           "the version is out of range");
  }
  return {};
}

// From here on memory that is asked for is in proportion to the file's length.
Status TableLoader::CheckSizes() const {
  if (centre_ != nullptr &&
      (centre_->count != config_.dimension || centre_->element_bytes != sizeof(float))) {
    return Corrupt(*centre_, 0, "it does not have the size that the config asks for");
  }
  const struct {
    SectionType type;
    uint64_t count;
    uint64_t element_bytes;
  } wanted[] = {
      {SectionType::kIds, config_.rows, config_.id_bytes()},
      {SectionType::kBirths, config_.rows, sizeof(uint64_t)},
      {SectionType::kGuests, Section(SectionType::kGuests).count, GuestRecord::kBytes},
      {SectionType::kVectors, config_.rows, config_.vector_bytes()},
      {SectionType::kLinks, config_.rows, config_.link_bytes()},
      {SectionType::kEntries, Section(SectionType::kEntries).count, sizeof(uint32_t)},
  };
  for (const auto& [type, count, element_bytes] : wanted) {
    const SectionEntry& section = Section(type);
    if (section.count != count || section.element_bytes != element_bytes) {
      return Corrupt(section, 0, "it does not have the size that the config asks for");
    }
  }
  if (Section(SectionType::kEntries).count > EntryTable::kRoom) {
    return Corrupt(SectionType::kEntries, EntryTable::kRoom, "there are too many entries");
  }
  const uint64_t guests = Section(SectionType::kGuests).count;
  if (config_.points < guests || config_.points - guests > config_.rows) {
    return Corrupt(SectionType::kConfig, 0, "the number of points contradicts rows and guests");
  }
  return {};
}

Status TableLoader::CreateTable() {
  const TableOptions options{
      .dimension = config_.dimension,
      .type = static_cast<VectorType>(config_.scalar_type),
      .metric = static_cast<Metric>(config_.metric),
      .id_type = static_cast<IdType>(config_.id_type),
      .graph = {.m = config_.m, .ef_construction = config_.ef_construction, .seed = config_.seed},
      .quantization = static_cast<Quantization>(config_.quantization),
      .threads = threads_,
      .capacity = static_cast<size_t>(std::min<uint64_t>(config_.capacity, SIZE_MAX)),
  };
  // Not Table::Create, which would make room for as many points as the file says it once did.
  table_.reset(new Table(options, kernels_, pool_));
  if (table_->graph_.width() != config_.link_width) {
    return Corrupt(SectionType::kConfig, 0, "the width of links does not follow from m");
  }
  if (!table_->GrowTo(config_.rows)) {
    return {ErrorCode::kOutOfMemory, "no memory for the rows of the file"};
  }
  table_->ids_.Reserve(config_.points, Section(SectionType::kGuests).count);
  table_->slot_limit_.store(config_.rows, std::memory_order_release);
  table_->next_id_ = config_.next_id;
  if (reader_.covered_version() > 1) table_->readers_.Publish(reader_.covered_version());
  return {};
}

template <typename Visitor>
Status TableLoader::ForEach(const SectionEntry& section, Visitor visit) const {
  std::vector<std::byte> buffer;
  for (uint64_t first = 0; first < section.count; first += kSerialElements) {
    const uint64_t count = std::min<uint64_t>(kSerialElements, section.count - first);
    const auto bytes = reader_.Read(section, first, count, buffer);
    if (!bytes.ok()) return bytes.status();
    VITRINE_RETURN_IF_ERROR(visit(Elements{first, count, *bytes}));
  }
  return {};
}

Status TableLoader::AddPoint(PointId id, PointRef ref, const SectionEntry& section,
                             uint64_t element) {
  // There is room for so many, and a full map has no end to a search.
  if (table_->ids_.size() == config_.points) {
    return Corrupt(section, element, "there are more points than the config says");
  }
  if (table_->ids_.Find(id).present()) {
    return Corrupt(section, element, "id " + std::to_string(id) + " comes twice");
  }
  table_->ids_.Put(id, ref);
  highest_id_ = std::max(highest_id_, id);
  return {};
}

Status TableLoader::ReadOwners() {
  const SectionEntry& ids = Section(SectionType::kIds);
  const SectionEntry& births = Section(SectionType::kBirths);
  VITRINE_RETURN_IF_ERROR(ForEach(births, [&](const Elements& elements) {
    for (uint64_t i = 0; i < elements.count; ++i) {
      const Slot slot = static_cast<Slot>(elements.first + i);
      const uint64_t birth = LoadLittleEndian<uint64_t>(elements.bytes.data() + 8 * i);
      if (birth > reader_.covered_version()) {
        return Corrupt(births, slot, "a row appeared after the version that the file covers");
      }
      // Without an owner, guests live on.
      table_->stamps_[slot].birth.store(birth == 0 ? kNever : kAlways, std::memory_order_relaxed);
      table_->stamps_[slot].death.store(birth == 0 ? kAlways : kNever, std::memory_order_relaxed);
      table_->occupied_.Set(slot);
      // As when an owner dies: scans must look at the stamps, until the row is free.
      if (birth == 0 && table_->unsettled_.Set(slot)) {
        table_->unsettled_count_.fetch_add(1, std::memory_order_release);
      }
    }
    return Status();
  }));
  return ForEach(ids, [&](const Elements& elements) {
    for (uint64_t i = 0; i < elements.count; ++i) {
      const Slot slot = static_cast<Slot>(elements.first + i);
      const std::byte* at = elements.bytes.data() + i * ids.element_bytes;
      const PointId id = ids.element_bytes == sizeof(uint64_t) ? LoadLittleEndian<uint64_t>(at)
                                                               : LoadLittleEndian<uint32_t>(at);
      table_->SetOwnerId(slot, id);
      if (table_->OwnerAlive(slot)) {
        VITRINE_RETURN_IF_ERROR(AddPoint(id, PointRef::Owner(slot), ids, slot));
      } else if (id != 0) {
        return Corrupt(ids, slot, "a row without an owner has an id");
      }
    }
    return Status();
  });
}

Status TableLoader::ReadGuests() {
  const SectionEntry& section = Section(SectionType::kGuests);
  GuestRecord before;
  return ForEach(section, [&](const Elements& elements) {
    for (uint64_t i = 0; i < elements.count; ++i) {
      const uint64_t element = elements.first + i;
      const GuestRecord guest = DecodeGuest(elements.bytes.data() + i * GuestRecord::kBytes);
      if (guest.row >= config_.rows) return Corrupt(section, element, "there is no such row");
      if (guest.reserved != 0) return Corrupt(section, element, "reserved bytes are not zero");
      if (guest.id > LastId()) return Corrupt(section, element, "an id is out of range");
      if (guest.birth < 1 || guest.birth > reader_.covered_version()) {
        return Corrupt(section, element, "a version is out of range");
      }
      if (element > 0 && std::pair(guest.row, guest.id) <= std::pair(before.row, before.id)) {
        return Corrupt(section, element, "guests are not in order");
      }
      before = guest;
      VITRINE_RETURN_IF_ERROR(AddPoint(guest.id, PointRef::Shared(guest.row), section, element));
      table_->shared_rows_.Put(guest.row, guest.id);
      table_->shared_rows_.SetBirth(guest.row, guest.id, guest.birth);
      table_->shared_.Set(guest.row);
    }
    return Status();
  });
}

Status TableLoader::CheckPoints() const {
  if (table_->ids_.size() != config_.points) {
    return Corrupt(SectionType::kConfig, 0,
                   "the number of points is not that of owners and guests");
  }
  if (config_.points > 0 && highest_id_ != UINT64_MAX && config_.next_id <= highest_id_) {
    return Corrupt(SectionType::kConfig, 0, "the next id is taken");
  }
  for (Slot slot = 0; slot < config_.rows; ++slot) {
    if (!table_->OwnerAlive(slot) && !table_->shared_.Test(slot)) {
      return Corrupt(SectionType::kBirths, slot, "a row has neither an owner nor a guest");
    }
  }
  table_->size_.store(config_.points, std::memory_order_release);
  return {};
}

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
      if (table_->vectors_.IsZero(slot)) {
        table_->zero_.Set(slot);
        table_->zero_count_.fetch_add(1, std::memory_order_release);
      }
    }
    return Status();
  });
}

Status TableLoader::ReadLinks() {
  const SectionEntry& section = Section(SectionType::kLinks);
  return ForEachParallel(section, [&](const Elements& elements) {
    std::vector<uint32_t> words(config_.link_width);
    for (uint64_t i = 0; i < elements.count; ++i) {
      const Slot slot = static_cast<Slot>(elements.first + i);
      std::memcpy(words.data(), elements.bytes.data() + i * section.element_bytes,
                  section.element_bytes);
      VITRINE_RETURN_IF_ERROR(CheckWords(slot, words));
      if (!table_->zero_.Test(slot)) table_->graph_.RestoreNode(slot, words);
    }
    return Status();
  });
}

Status TableLoader::CheckWords(uint32_t row, std::span<const uint32_t> words) const {
  const auto corrupt = [&](std::string_view what) {
    return Corrupt(SectionType::kLinks, row, what);
  };
  const bool any_zero = table_->zero_count_.load(std::memory_order_relaxed) != 0;
  const bool is_zero = any_zero && table_->zero_.Test(row);
  size_t links = 0;
  for (size_t i = 0; i < words.size(); ++i) {
    if (words[i] == kNoSlot) continue;
    const Slot target = Links::Target(words[i]);
    if (target >= config_.rows) return corrupt("a link leads to a row that is not there");
    if (target == row) return corrupt("a row links to itself");
    if (is_zero) return corrupt("a zero vector has links");
    if (any_zero && table_->zero_.Test(target)) return corrupt("a link leads to a zero vector");
    if (Links::IsFill(words[i])) continue;
    if (++links > 2 * size_t{config_.m}) return corrupt("a row has too many links");
    if (HasLink(words.first(i), target)) return corrupt("a row has a link twice");
  }
  return {};
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

// The same codes as before, and thus the same searches.
Status TableLoader::MakeCodes() {
  if (centre_ == nullptr) {
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
  if (table_->MakeCodesAround(centre, kind)) return {};
  return {ErrorCode::kOutOfMemory, "no memory for the codes of the file"};
}

Result<std::unique_ptr<Table>> LoadTable(const std::string& path, const KernelTable& kernels,
                                         ThreadPool* pool, const LoadOptions& options) {
  VITRINE_RETURN_IF_ERROR(CheckFilePath(path));
  std::unique_ptr<FileSystem> system;
  if (options.files == nullptr) system = SystemFiles();
  FileSystem& files = options.files == nullptr ? *system : *options.files;

  Result<std::unique_ptr<File>> file = files.OpenForReading(path, FileSystem::Cache::kUse);
  if (!file.ok()) return file.status();
  Result<std::unique_ptr<ContainerReader>> reader =
      ContainerReader::Open(std::move(*file), path, FileKind::kIndex, options.cancelled);
  if (!reader.ok()) return reader.status();
  return TableLoader(**reader, kernels, pool, options.threads).Load();
}

}  // namespace vitrine
