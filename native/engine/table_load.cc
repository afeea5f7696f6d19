// The reading half of engine/table_file.h.

#include <algorithm>
#include <bit>
#include <utility>

#include "base/byte_order.h"
#include "engine/code_sections.h"
#include "engine/recall_file.h"
#include "engine/table_loader.h"

namespace vitrine {
namespace {

const Stamps kSettled{.birth = kAlways, .death = kNever};

}  // namespace

Result<std::unique_ptr<Table>> TableLoader::Load() {
  VITRINE_RETURN_IF_ERROR(FindSections());
  VITRINE_RETURN_IF_ERROR(ReadConfig());
  ChooseCodes();
  VITRINE_RETURN_IF_ERROR(CheckConfig());
  VITRINE_RETURN_IF_ERROR(CheckSizes());
  is_lazy_ = CanBeLazy();
  Status status = LoadAll();
  // A lazy table holds the loader: the loader must not hold the table.
  std::unique_ptr<Table> table = std::move(made_);
  if (!status.ok()) return status;
  return table;
}

Status TableLoader::LoadAll() {
  VITRINE_RETURN_IF_ERROR(CreateTable());
  if (is_lazy_) {
    VITRINE_RETURN_IF_ERROR(ReadOutsiders());
    VITRINE_RETURN_IF_ERROR(ReadLazyPoints());
    LeaveLinks();
    VITRINE_RETURN_IF_ERROR(ReadEntries());
  } else {
    VITRINE_RETURN_IF_ERROR(ReadPoints());
    if (!is_mapped()) VITRINE_RETURN_IF_ERROR(ReadVectors());
    VITRINE_RETURN_IF_ERROR(ReadFactors());
    VITRINE_RETURN_IF_ERROR(ReadLinks());
    VITRINE_RETURN_IF_ERROR(CheckOutsiders());
    VITRINE_RETURN_IF_ERROR(ReadEntries());
    VITRINE_RETURN_IF_ERROR(FinishGraph());
  }
  VITRINE_RETURN_IF_ERROR(MakeCodes());
  table_->read_only_ = is_mapped();
  if (calibration_ == nullptr) return {};
  Result<StoredCalibration> stored = ReadCalibration(reader_, *calibration_);
  if (!stored.ok()) return stored.status();
  table_->RestoreCalibration(std::move(stored->calibration), stored->ended);
  return {};
}

// Where the entry of a section goes that need not be there; null for an unknown one.
const SectionEntry** TableLoader::PlaceOf(uint32_t type) {
  switch (static_cast<SectionType>(type)) {
    case SectionType::kFactors:
      return &factors_;
    case SectionType::kOutsiders:
      return &outsiders_;
    case SectionType::kCodeCentre:
      return &centre_;
    case SectionType::kCalibration:
      return &calibration_;
    case SectionType::kCodes:
      return &codes_;
    case SectionType::kCodeFactors:
      return &code_factors_;
    case SectionType::kCarryingCodes:
      return &carrying_codes_;
    case SectionType::kCodeDoubts:
      return &code_doubts_;
    default:
      return nullptr;
  }
}

Status TableLoader::FindSections() {
  for (const SectionEntry& section : reader_.sections()) {
    if (section.type > 0 && section.type < kTypes) {
      sections_[section.type] = &section;
    } else if (const SectionEntry** const place = PlaceOf(section.type)) {
      *place = &section;
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

// Of the two that a file may have, those that are laid out as codes are now.
void TableLoader::ChooseCodes() {
  const CodeSections sections =
      CodeSectionsOf(static_cast<Quantization>(config_.codes), static_cast<Metric>(config_.metric),
                     config_.dimension);
  if (sections.codes != SectionType::kCarryingCodes) return;
  codes_ = carrying_codes_;
  code_factors_ = code_doubts_;
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
  if ((codes_ != nullptr) != (code_factors_ != nullptr) ||
      (codes_ != nullptr && centre_ == nullptr)) {
    return corrupt("codes come with their factors and a centre");
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
  if (factors_ != nullptr &&
      (factors_->count != config_.rows || factors_->element_bytes != sizeof(float))) {
    return Corrupt(*factors_, 0, "it does not have the size that the config asks for");
  }
  if (outsiders_ != nullptr &&
      (outsiders_->count > config_.rows || outsiders_->element_bytes != sizeof(uint32_t))) {
    return Corrupt(*outsiders_, 0, "it does not have the size that the config asks for");
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
      .threads = options_.threads,
      .capacity = static_cast<size_t>(std::min<uint64_t>(config_.capacity, SIZE_MAX)),
  };
  // Not Table::Create, which would make room for as many points as the file says it once did.
  made_.reset(new Table(options, kernels_, pool_));
  table_ = made_.get();
  if (table_->graph_.width() != config_.link_width) {
    return Corrupt(SectionType::kConfig, 0, "the width of links does not follow from m");
  }
  if (is_mapped() && config_.rows > 0) VITRINE_RETURN_IF_ERROR(MapVectors());
  // Rows that are all visible to everybody share their stamps.
  if (is_lazy_ && Section(SectionType::kGuests).count == 0) {
    table_->stamps_.BorrowOne(kSettled, config_.rows);
  }
  if (!table_->GrowTo(config_.rows)) {
    return {ErrorCode::kOutOfMemory, "no memory for the rows of the file"};
  }
  table_->slot_limit_.store(config_.rows, std::memory_order_release);
  table_->next_id_ = config_.next_id;
  if (reader_.covered_version() > 1) table_->readers_.Publish(reader_.covered_version());
  return {};
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
  const std::shared_ptr<ContainerReader> shared = std::move(*reader);
  Result<std::unique_ptr<Table>> table =
      std::make_shared<TableLoader>(shared, kernels, pool, options)->Load();
  // A table that is read on demand goes on reading when the flag is gone.
  shared->ForgetCancellation();
  return table;
}

}  // namespace vitrine
