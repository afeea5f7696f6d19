#include "engine/mapped_collection.h"

#include <utility>

#include "engine/collection_sections.h"
#include "engine/mapped_vectors.h"

namespace vitrine {

Result<std::unique_ptr<MappedRows>> MapPoints(std::shared_ptr<const ContainerReader> primary,
                                              const SectionEntry& section,
                                              const CollectionConfig& config) {
  return MapVectors(std::move(primary), section,
                    {config.type, VectorBytes(config.type, config.dimension)}, nullptr,
                    MappedRows::Known::kVerified);
}

Result<std::unique_ptr<const FileRows>> MapCollection(const CheckpointPlace& place,
                                                      const Manifest::Part& part,
                                                      const Collection& collection,
                                                      Collection::Image& image) {
  auto primary = OpenPrimary(place, part);
  if (!primary.ok()) return primary.status();
  const CollectionConfig config = collection.config();
  const auto section = RequireSection(**primary, SectionType::kVectors, VectorElementBytes(config),
                                      uint64_t{image.size()});
  if (!section.ok()) return section.status();
  // The section is a part of the reader.
  auto mapped = MapPoints(std::move(*primary), **section, config);
  if (!mapped.ok()) return mapped.status();
  return image.table().RowsIn(std::move(*mapped));
}

}  // namespace vitrine
