#pragma once

#include <memory>

#include "base/status.h"
#include "engine/table_file_format.h"
#include "index/lazy_rows.h"
#include "index/mapped_rows.h"
#include "storage/container_reader.h"

namespace vitrine {

// The vectors of an index file as rows that stay in the file. A block is read and checked as a load
// would, then used where it is mapped: what the device cannot give, and what a file has lost that
// was cut short, is an error and not the end of the process.
//   reader   shared by the rows, which outlive the load
//   section  of vectors, of the size that `config` asks for, with at least one
//   factors  what their metric needs beside them, if that is read on demand too: brought before a
//            row may be used. Otherwise null
// kOutOfMemory or kIo when the file cannot be mapped.
Result<std::unique_ptr<MappedRows>> MapVectors(std::shared_ptr<const ContainerReader> reader,
                                               const SectionEntry& section,
                                               const IndexConfig& config,
                                               std::unique_ptr<const LazyRows> factors);

}  // namespace vitrine
