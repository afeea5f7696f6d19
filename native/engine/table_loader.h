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
// reads what there is, table_load_points.cc which points, table_load_rows.cc what belongs to each
// row, and table_load_lazy.cc leaves for later what can be. Then the loader lives as long as its
// table, which has it bring rows, on many threads at once.
class TableLoader : public std::enable_shared_from_this<TableLoader> {
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

  Status LoadAll();
  Status FindSections();
  const SectionEntry** PlaceOf(uint32_t type);
  Status ReadConfig();
  void ChooseCodes();
  Status CheckConfig() const;
  Status CheckSizes() const;
  Status CreateTable();
  Status ReadPoints();
  Status ReadBirths();
  Status PutOwnerIds(const Elements& elements) const;
  Status AddOwners();
  // Calls visit(guest, element) -> Status with each guest, in order.
  template <typename Visitor>
  Status ForEachGuest(Visitor visit) const;
  Status AddGuests();
  void PutGuest(const GuestRecord& guest) const;
  Status CheckPoints() const;
  Status CheckRowsHavePoints() const;
  Status ReadVectors();
  Status MapVectors();
  Status ReadFactors();
  Status PutFactors(const Elements& elements) const;
  void NoteZero(Slot slot) const;
  Status ReadLinks();
  Status CheckLinks(const Elements& elements,
                    void (Graph::*put)(Slot, std::span<const uint32_t>)) const;
  Status ReadEntries();
  Status FinishGraph();
  Status MakeCodes();
  Status CheckCodeSizes(const CodeStore& store) const;
  Status ReadCodes(CodeStore& store) const;
  void PutCodes(const Elements& elements, CodeStore& store) const;
  Status PutCodeFactors(const Elements& elements, CodeStore& store) const;

  // Leaving for later: table_load_lazy.cc.
  bool CanBeLazy() const;
  Status ReadOutsiders();
  Status CheckOutsiders() const;
  Status ReadLazyPoints();
  void LeaveLinks();
  void LeaveCodes(CodeStore& store);
  std::unique_ptr<const LazyRows> LeaveFactors();
  Status BringIds();
  Status CheckBirths() const;
  // Rows of a section that `put(elements)` -> Status puts where they are used.
  template <typename Put>
  std::unique_ptr<const LazyRows> Leave(const SectionEntry& section, Put put);

  // Calls visit(elements) -> Status with all elements of a section, in order.
  template <typename Visitor>
  Status ForEach(const SectionEntry& section, Visitor visit) const;
  // The same on several threads, in any order.
  template <typename Visitor>
  Status ForEachParallel(const SectionEntry& section, Visitor visit) const {
    SectionBuffers buffers;
    return ForEachElements(reader_, section, pool_, table_->Parallelism(), buffers, visit);
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

  static constexpr std::string_view kOtherOutsiders = "the rows outside the graph are others";

  bool is_mapped() const { return options_.vectors == VectorPlace::kMapped; }

  const std::shared_ptr<const ContainerReader> shared_reader_;  // mapped vectors take a share
  const ContainerReader& reader_;
  const KernelTable& kernels_;
  ThreadPool* const pool_;
  const LoadOptions options_;
  std::array<const SectionEntry*, kTypes> sections_{};
  const SectionEntry* factors_ = nullptr;
  const SectionEntry* outsiders_ = nullptr;
  const SectionEntry* centre_ = nullptr;  // where there are codes
  const SectionEntry* codes_ = nullptr;
  const SectionEntry* code_factors_ = nullptr;
  const SectionEntry* carrying_codes_ = nullptr;
  const SectionEntry* code_doubts_ = nullptr;
  const SectionEntry* calibration_ = nullptr;
  IndexConfig config_;
  bool is_lazy_ = false;
  std::unique_ptr<Table> made_;  // until it is handed over
  Table* table_ = nullptr;
  PointId highest_id_ = 0;      // of a lazy table: changed under its lock of ids
  uint64_t without_owner_ = 0;  // rows
};

template <typename Put>
std::unique_ptr<const LazyRows> TableLoader::Leave(const SectionEntry& section, Put put) {
  return std::make_unique<const LazyRows>(
      static_cast<size_t>(config_.rows), section.element_bytes, kBlockBytes,
      [self = shared_from_this(), &section, put = std::move(put)](Slot first, size_t count,
                                                                  std::vector<std::byte>& buffer) {
        const auto bytes = self->reader_.Read(section, first, count, buffer);
        return bytes.ok() ? put(Elements{first, count, *bytes}) : bytes.status();
      });
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

}  // namespace vitrine
