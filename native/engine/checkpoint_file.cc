#include "engine/checkpoint_file.h"

#include <algorithm>
#include <array>

#include "base/seeded_defect.h"
#include "storage/file_checks.h"
#include "storage/replaced_file.h"
#include "storage/stepwise_file.h"

namespace vitrine {
namespace {

FileKind KindOf(const CheckpointFile& file) {
  return file.file == PartFile::kPrimary ? FileKind::kCollection : FileKind::kCollectionGraph;
}

Result<std::unique_ptr<ContainerReader>> OpenContainer(std::unique_ptr<File> file,
                                                       const std::string& path, FileKind kind) {
  // By its name it is one of ours: what says something else is damaged, not of another kind.
  std::array<std::byte, kPageBytes> page{};
  const Status read = file->ReadAt(0, page);
  if (!read.ok() && read.code() != ErrorCode::kCorrupt) return read;
  if (!read.ok() || !HasMagic(page)) return CorruptFile(path, "header", 0, "the magic is missing");
  const HeaderPage header = DecodeHeader(page.data());
  if (CrcHolds(std::span(page).first(HeaderPage::kCrcAt), header.crc) &&
      header.kind != static_cast<uint16_t>(kind)) {
    return CorruptFile(path, "header", 8, "it is a file of another kind");
  }
  return ContainerReader::Open(std::move(file), path, kind, nullptr);
}

}  // namespace

uint64_t RecordBytes(const ContainerReader& file) {
  const SectionEntry* const records = file.Find(SectionType::kRecords);
  return records == nullptr ? 0 : records->length;
}

std::string PathOf(const CheckpointPlace& place, const CheckpointFile& file) {
  return place.folder + "/" + CheckpointName(file.epoch, file.collection, file.file);
}

Status WriteCheckpointFile(const CheckpointPlace& place, CheckpointFile& file,
                           const std::function<Status(ContainerWriter&)>& write) {
  const std::string path = PathOf(place, file);
  auto replaced = ReplacedFile::Create(*place.files, path);
  if (!replaced.ok()) return replaced.status();
  HeaderPage header;
  header.kind = static_cast<uint16_t>(KindOf(file));
  header.database = place.database;
  header.file_number = file.collection;
  header.epoch = file.epoch;
  std::copy_n(place.creator.begin(), std::min(place.creator.size(), header.creator.size()),
              header.creator.begin());
  StepwiseFile steps((*replaced)->file());
  ContainerWriter writer(steps, nullptr);
  VITRINE_RETURN_IF_ERROR(writer.Start(header));
  VITRINE_RETURN_IF_ERROR(write(writer));
  const Result<Digest128> root = writer.Finish(1);
  if (!root.ok()) return root.status();
  VITRINE_RETURN_IF_ERROR((*replaced)->SyncAndClose());

  Result<std::unique_ptr<File>> written = (*replaced)->Reopen();
  if (!written.ok()) return written.status();
  const auto reader = OpenContainer(std::move(*written), path, KindOf(file));
  if (!reader.ok()) return reader.status();
  if ((*reader)->root() != *root) {
    return CorruptFile(path, "section table", 0, "it was not written as it is");
  }
  if (!SeededDefect("checkpoint-not-read-back")) VITRINE_RETURN_IF_ERROR((*reader)->VerifyAll());
  file.bytes = (*reader)->file_bytes();
  file.root = *root;
  file.record_bytes = RecordBytes(**reader);
  return (*replaced)->Commit();
}

Result<std::unique_ptr<ContainerReader>> OpenCheckpointFile(const CheckpointPlace& place,
                                                            const CheckpointFile& file) {
  const std::string path = PathOf(place, file);
  const Result<std::vector<std::string>> names = place.files->List(place.folder);
  if (!names.ok()) return names.status();
  if (!std::binary_search(names->begin(), names->end(),
                          CheckpointName(file.epoch, file.collection, file.file))) {
    return CorruptFile(path, "file", 0, "it is missing");
  }
  Result<std::unique_ptr<File>> opened = place.files->OpenForReading(path, FileSystem::Cache::kUse);
  if (!opened.ok()) return opened.status();
  Result<std::unique_ptr<ContainerReader>> reader =
      OpenContainer(std::move(*opened), path, KindOf(file));
  if (!reader.ok()) return reader.status();
  const HeaderPage& header = (*reader)->header();
  if (SeededDefect("other-file-accepted")) return reader;
  if (header.database != place.database || header.epoch != file.epoch ||
      header.file_number != file.collection || (*reader)->file_bytes() != file.bytes ||
      (*reader)->root() != file.root) {
    return CorruptFile(path, "header", 40, "it is another file than the manifest names");
  }
  return reader;
}

Result<std::unique_ptr<ContainerReader>> OpenPrimary(const CheckpointPlace& place,
                                                     const Manifest::Part& part) {
  return OpenCheckpointFile(place, {.epoch = part.epoch,
                                    .collection = part.collection,
                                    .bytes = part.primary_bytes,
                                    .root = part.primary_root});
}

}  // namespace vitrine
