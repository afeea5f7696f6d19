#pragma once

#include <memory>

#include "base/status.h"
#include "engine/checkpoint_file.h"
#include "engine/collection.h"
#include "index/file_rows.h"
#include "index/mapped_rows.h"

namespace vitrine {

// The vectors of a primary file, all of which have been looked at, as rows that stay in it: a
// device that has given them, or taken them and given them back, is not asked once more.
//   section  of vectors, with at least one
// kOutOfMemory or kIo when the file cannot be mapped.
Result<std::unique_ptr<MappedRows>> MapPoints(std::shared_ptr<const ContainerReader> primary,
                                              const SectionEntry& section,
                                              const CollectionConfig& config);

// Where the rows of an image are in a part that was written of it, has been read back, and is
// mapped. kCorrupt, kIo, kOutOfMemory. REQUIRES: the image has points
Result<std::unique_ptr<const FileRows>> MapCollection(const CheckpointPlace& place,
                                                      const Manifest::Part& part,
                                                      const Collection& collection,
                                                      Collection::Image& image);

}  // namespace vitrine
