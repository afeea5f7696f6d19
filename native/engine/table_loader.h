#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/section_elements.h"
#include "engine/table_file.h"
#include "engine/table_file_format.h"
#include "storage/container_reader.h"

namespace vitrine {

// Makes a table of a file of which every byte may be wrong: every value is checked after its
// checksum and before it is used (docs/formats/index-file.md, "Rules of reading"). table_load.cc
// reads what there is and which points, table_load_rows.cc what belongs to each row.
class TableLoader {
 public:
  TableLoader(std::shared_ptr<const ContainerReader> reader, const KernelTable& kernels,
              ThreadPool* pool, const LoadOptions& options)
      : shared_reader_(std::move(reader)),
        reader_(*shared_reader_),
        kernels_(kernels),
        pool_(pool),
        options_(options) {}

  Result<std::unique_ptr<Table>> Load();

 private:
  using Elements = SectionElements;
  static constexpr size_t kSerialElements = 65'536;

  Status FindSections();
  const SectionEntry** PlaceOf(uint32_t type);
  Status ReadConfig();
  Status CheckConfig() const;
  Status CheckSizes() const;
  Status CreateTable();
  Status ReadOwners();
  Status ReadGuests();
  Status CheckPoints() const;
  Status ReadVectors();
  Status MapVectors();
  Status ReadFactors();
  void NoteZero(Slot slot);
  Status ReadLinks();
  Status ReadEntries();
  Status FinishGraph();
  Status MakeCodes();
  Status ReadCodes(CodeStore& store) const;

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

  bool is_mapped() const { return options_.vectors == VectorPlace::kMapped; }

  const std::shared_ptr<const ContainerReader> shared_reader_;  // mapped vectors take a share
  const ContainerReader& reader_;
  const KernelTable& kernels_;
  ThreadPool* const pool_;
  const LoadOptions& options_;
  std::array<const SectionEntry*, kTypes> sections_{};
  const SectionEntry* factors_ = nullptr;
  const SectionEntry* centre_ = nullptr;  // where there are codes
  const SectionEntry* codes_ = nullptr;
  const SectionEntry* code_factors_ = nullptr;
  const SectionEntry* calibration_ = nullptr;
  IndexConfig config_;
  std::unique_ptr<Table> table_;
  PointId highest_id_ = 0;
};

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

}  // namespace vitrine
