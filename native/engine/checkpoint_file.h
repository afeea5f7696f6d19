#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/siphash.h"
#include "base/status.h"
#include "storage/container_reader.h"
#include "storage/container_writer.h"
#include "storage/file_system.h"
#include "storage/log_format.h"
#include "storage/manifest.h"

namespace vitrine {

// Where the files of a database are, and what marks them as its own.
struct CheckpointPlace {
  FileSystem* files = nullptr;
  std::string folder;
  DatabaseId database{};
  std::string creator;
};

// A file of a checkpoint, as a manifest knows it.
struct CheckpointFile {
  uint64_t epoch = 0;
  uint32_t collection = kDatabasePart;
  PartFile file = PartFile::kPrimary;
  uint64_t bytes = 0;
  Digest128 root{};
  uint64_t record_bytes = 0;  // filled in when it is written
};

// Keys and payloads in a primary file: its section of records; 0 in a file that has none.
uint64_t RecordBytes(const ContainerReader& file);

// Writes a file under its final name, on the device and read back: `write` puts in the sections.
// Fills in length and root. kIo, or kCorrupt when what was read back is something else.
Status WriteCheckpointFile(const CheckpointPlace& place, CheckpointFile& file,
                           const std::function<Status(ContainerWriter&)>& write);

// Opens a file that must be the one described: kCorrupt otherwise, also when it is missing; kFormat
// for a newer version's; kIo.
Result<std::unique_ptr<ContainerReader>> OpenCheckpointFile(const CheckpointPlace& place,
                                                            const CheckpointFile& file);
// The same of the file of a part that has its points.
Result<std::unique_ptr<ContainerReader>> OpenPrimary(const CheckpointPlace& place,
                                                     const Manifest::Part& part);

std::string PathOf(const CheckpointPlace& place, const CheckpointFile& file);

}  // namespace vitrine
