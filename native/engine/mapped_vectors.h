#pragma once

#include <memory>

#include "base/status.h"
#include "index/lazy_rows.h"
#include "index/mapped_rows.h"
#include "index/vector_type.h"
#include "storage/container_reader.h"

namespace vitrine {

// What rows of a section of vectors look like.
struct VectorSection {
  VectorType type;
  size_t used_bytes;  // of a row
};

// The vectors of a file as rows that stay in the file. A block is read and checked as a load
// would, then used where it is mapped: what the device cannot give, and what a file has lost that
// was cut short, is an error and not the end of the process.
//   reader   shared by the rows, which outlive the load
//   section  of vectors, with at least one
//   factors  what their metric needs beside them, if that is read on demand too: brought before a
//            row may be used. Otherwise null
//   known    whether all of it was verified already
// kOutOfMemory or kIo when the file cannot be mapped.
Result<std::unique_ptr<MappedRows>> MapVectors(std::shared_ptr<const ContainerReader> reader,
                                               const SectionEntry& section,
                                               const VectorSection& rows,
                                               std::unique_ptr<const LazyRows> factors,
                                               MappedRows::Known known);

}  // namespace vitrine
