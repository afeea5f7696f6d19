#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/status.h"
#include "index/file_rows.h"

namespace vitrine {

class Table;

// What a table has to give back whose rows went over to a file. Changed by who writes.
struct RemapState {
  std::atomic<bool> pending{false};                         // relaxed: there is something
  std::vector<std::unique_ptr<const FileRows>> left_files;  // that rows were in before
  uint64_t version = 0;  // readers from it on look where they are now
  size_t next_row = 0;   // whose memory is looked at
};

// Lets the vectors of a table of TableOptions::vectors kMapped go over to a file, and gives back
// the memory that they had, and the file before, when no reader has them in hand any more.
//
// Thread safety: as of Table; each call waits for writes, and they for it.
class TableRemap {
 public:
  // `table` outlives the object.
  explicit TableRemap(Table& table) : table_(table) {}

  // From now on the rows that `rows` has are read there. Nothing changes when a row is damaged that
  // only the file before has: kCorrupt. May throw std::bad_alloc.
  // REQUIRES: each of these rows is in the file what it is here, and is not written before the call
  // ends: an image that shows it lives
  Status UseFile(std::unique_ptr<const FileRows> rows);
  // Gives back what memory it can of some `most` rows, unless a reader is left that may have it in
  // hand.
  enum class Outcome : uint8_t { kDone, kWaits, kMore };
  Outcome GiveBackSome(size_t most);
  // The file with the rows may be damaged: they are verified before they are used again. What is
  // damaged is kCorrupt for searches that meet it, and for writes, until rows go over to another.
  // REQUIRES: UseFile does not run
  void Distrust();

 private:
  Table& table_;
};

}  // namespace vitrine
