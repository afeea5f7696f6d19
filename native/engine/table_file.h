#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "base/status.h"
#include "base/thread_pool.h"
#include "engine/table.h"
#include "index/vector_place.h"
#include "storage/file_system.h"

namespace vitrine {

// A table as a file: docs/formats/index-file.md.

struct SaveOptions {
  // Looked at once a block of 64 KiB; null: never.
  const std::atomic<bool>* cancelled = nullptr;
  // Who writes, for messages of readers; at most 32 bytes are kept.
  std::string creator = "vitrine";
  // Null: the operating system's.
  FileSystem* files = nullptr;
};

struct LoadOptions {
  // Of those that stay in the file a block is read and checked when it is first needed; the rest of
  // the table is read on demand too, and it is for reading only.
  VectorPlace vectors = VectorPlace::kMemory;
  // Threads of the pool that take part in loading, and in later writes and batches.
  size_t threads = 1;
  // Looked at once in about 4 MiB; null: never.
  const std::atomic<bool>* cancelled = nullptr;
  // Null: the operating system's.
  FileSystem* files = nullptr;
};

// Writes what a search that starts now would see to `path`, which is replaced in one step once
// everything is on the device and has been read back. On failure what was there before is still
// there: kIo, kCancelled, kArgument (a path that is empty or has a zero byte in it), kCorrupt
// (what was read back is not what was written).
//
// Writers of the table go on meanwhile: they wait for some milliseconds a million points. Rows that
// they take away are reused only after the save. Takes about half a byte of memory a row and two
// megabytes.
Status SaveTable(const Table& table, const std::string& path, const SaveOptions& options = {});

// The table that was saved to `path`. It gives the answers of the saved one; the order of rows and
// links is kept. Two things may differ, both for the better: rows that were removed but not swept
// away are gone, and rows that no walk could reach are linked.
//   kernels, pool   as in Table::Create; `pool` may be null
//
// With mapped vectors links, codes and ids are read into memory by groups of rows, when one of them
// is first used, and are checked then as they would be now. Of a file that does not say that its
// links lead everywhere, or has no codes or factors though the table needs them, they are read at
// once; and vectors only when there is no other way: codes have to be made, or the graph mended.
// The file may be replaced or removed meanwhile; one that is changed in place, or cut short after a
// block of vectors was checked, may give wrong answers or end the process.
//
// Trusts no byte of the file: kFormat, kCorrupt, kIo, kCancelled, kArgument, kOutOfMemory.
Result<std::unique_ptr<Table>> LoadTable(const std::string& path, const KernelTable& kernels,
                                         ThreadPool* pool, const LoadOptions& options = {});

}  // namespace vitrine
