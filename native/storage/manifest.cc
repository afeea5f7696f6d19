#include "storage/manifest.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <utility>

#include "base/crc32c.h"
#include "storage/byte_stream.h"
#include "storage/container_format.h"
#include "storage/file_checks.h"
#include "storage/replaced_file.h"

namespace vitrine {
namespace {

constexpr std::string_view kManifestPrefix = "manifest-";
constexpr std::string_view kCheckpointPrefix = "ckpt-";
constexpr size_t kEpochDigits = 20;
constexpr size_t kCollectionDigits = 10;
constexpr size_t kTrailerBytes = 24;
constexpr size_t kPartBytes = 72;

std::string Digits(uint64_t number, size_t count) {
  const std::string digits = std::to_string(number);
  return std::string(count - digits.size(), '0') + digits;
}

// A number of exactly these digits.
std::optional<uint64_t> NumberOf(std::string_view digits, size_t count) {
  if (digits.size() != count) return {};
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + count, number);
  if (error != std::errc() || end != digits.data() + count) return {};
  return number;
}

bool IsAlphanumeric(char c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

void PutRoot(ByteWriter& out, const Digest128& root) { out.Append(std::span(root)); }

Digest128 GetRoot(ByteReader& in) {
  Digest128 root{};
  const std::span<const std::byte> bytes = in.Take(root.size());
  if (!bytes.empty()) std::copy(bytes.begin(), bytes.end(), root.begin());
  return root;
}

void PutGeneration(ByteWriter& out, const Manifest::Generation& generation) {
  out.Put(generation.epoch);
  out.Put(generation.covered_lsn);
  out.Put(static_cast<uint64_t>(generation.parts.size()));
  for (const Manifest::Part& part : generation.parts) {
    out.Put(uint64_t{part.collection});
    out.Put(part.epoch);
    out.Put(part.primary_bytes);
    PutRoot(out, part.primary_root);
    out.Put(part.graph_bytes);
    PutRoot(out, part.graph_root);
    out.Put(uint64_t{0});
  }
}

// What every list here is: in order, without repetitions.
template <typename List, typename Key>
bool IsAscending(const List& list, Key key) {
  return std::adjacent_find(list.begin(), list.end(), [&](const auto& a, const auto& b) {
           return !(key(a) < key(b));
         }) == list.end();
}

Manifest::Generation GetGeneration(ByteReader& in) {
  Manifest::Generation generation;
  generation.epoch = in.Get<uint64_t>();
  generation.covered_lsn = in.Get<uint64_t>();
  const uint64_t count = in.Get<uint64_t>();
  if (count > in.left() / kPartBytes) in.Fail();
  for (uint64_t i = 0; i < count && !in.failed(); ++i) {
    Manifest::Part part;
    const uint64_t collection = in.Get<uint64_t>();
    part.collection = static_cast<uint32_t>(collection);
    part.epoch = in.Get<uint64_t>();
    part.primary_bytes = in.Get<uint64_t>();
    part.primary_root = GetRoot(in);
    part.graph_bytes = in.Get<uint64_t>();
    part.graph_root = GetRoot(in);
    const uint64_t reserved = in.Get<uint64_t>();
    if (collection > UINT32_MAX || reserved != 0 || part.epoch > generation.epoch) in.Fail();
    generation.parts.push_back(part);
  }
  if (generation.covered_lsn >= kNumberLimit ||
      !IsAscending(generation.parts, [](const auto& part) { return part.collection; })) {
    in.Fail();
  }
  return generation;
}

// The fields behind the header page.
void GetBody(ByteReader& in, Manifest& manifest) {
  manifest.durable_lsn = in.Get<uint64_t>();
  manifest.log_segment = in.Get<uint64_t>();
  manifest.next_collection = in.Get<uint32_t>();
  const uint32_t collections = in.Get<uint32_t>();
  const uint32_t aliases = in.Get<uint32_t>();
  const uint32_t generations = in.Get<uint32_t>();
  for (uint32_t i = 0; i < collections && !in.failed(); ++i) {
    Manifest::Collection collection;
    collection.id = in.Get<uint32_t>();
    const uint32_t name = in.Get<uint32_t>();
    const uint32_t config = in.Get<uint32_t>();
    if (in.Get<uint32_t>() != 0) in.Fail();
    collection.name = in.Text(name);
    const std::span<const std::byte> bytes = in.Take(config);
    collection.config.assign(bytes.begin(), bytes.end());
    in.SkipPadding(8);
    if (!IsCollectionName(collection.name) || collection.id == kDatabasePart ||
        collection.id >= manifest.next_collection) {
      in.Fail();
    }
    manifest.collections.push_back(std::move(collection));
  }
  for (uint32_t i = 0; i < aliases && !in.failed(); ++i) {
    Manifest::Alias alias;
    alias.collection = in.Get<uint32_t>();
    const uint32_t name = in.Get<uint32_t>();
    alias.name = in.Text(name);
    in.SkipPadding(8);
    const bool known = std::any_of(manifest.collections.begin(), manifest.collections.end(),
                                   [&](const auto& c) { return c.id == alias.collection; });
    if (!IsCollectionName(alias.name) || !known) in.Fail();
    manifest.aliases.push_back(std::move(alias));
  }
  if (generations < 1 || generations > 2) in.Fail();
  manifest.newest = GetGeneration(in);
  if (generations == 2) manifest.previous = GetGeneration(in);
  if (manifest.durable_lsn >= kNumberLimit || manifest.log_segment >= kNumberLimit ||
      !IsAscending(manifest.collections, [](const auto& c) { return c.id; }) ||
      !IsAscending(manifest.aliases, [](const auto& a) { return std::string_view(a.name); })) {
    in.Fail();
  }
}

bool NamesAreUnique(const Manifest& manifest) {
  std::vector<std::string_view> names;
  names.reserve(manifest.collections.size() + manifest.aliases.size());
  for (const auto& collection : manifest.collections) names.push_back(collection.name);
  for (const auto& alias : manifest.aliases) names.push_back(alias.name);
  std::sort(names.begin(), names.end());
  return std::adjacent_find(names.begin(), names.end()) == names.end();
}

}  // namespace

bool IsCollectionName(std::string_view name) {
  return !name.empty() && name.size() <= kMaxCollectionName && IsAlphanumeric(name[0]) &&
         std::all_of(name.begin(), name.end(),
                     [](char c) { return IsAlphanumeric(c) || c == '_' || c == '-'; });
}

const Manifest::Part* Manifest::Generation::Find(uint32_t collection) const {
  for (const Part& part : parts) {
    if (part.collection == collection) return &part;
  }
  return nullptr;
}

Manifest::Part* Manifest::Generation::Find(uint32_t collection) {
  const Part* const found = std::as_const(*this).Find(collection);
  return found == nullptr ? nullptr : &parts[static_cast<size_t>(found - parts.data())];
}

std::string ManifestName(uint64_t epoch) {
  return std::string(kManifestPrefix) + Digits(epoch, kEpochDigits);
}

std::optional<uint64_t> ManifestEpoch(std::string_view name) {
  if (!name.starts_with(kManifestPrefix)) return {};
  return NumberOf(name.substr(kManifestPrefix.size()), kEpochDigits);
}

std::string CheckpointName(uint64_t epoch, uint32_t collection, PartFile file) {
  return std::string(kCheckpointPrefix) + Digits(epoch, kEpochDigits) + "-" +
         Digits(collection, kCollectionDigits) + (file == PartFile::kPrimary ? ".prim" : ".graph");
}

bool IsCheckpointName(std::string_view name) {
  return name.starts_with(kCheckpointPrefix) &&
         (name.ends_with(".prim") || name.ends_with(".graph"));
}

bool IsUnfinishedFile(std::string_view name) {
  return (name.starts_with(kManifestPrefix) || name.starts_with(kCheckpointPrefix)) &&
         name.find(".tmp-") != std::string_view::npos;
}

std::string QuarantinedName(std::string_view name) { return "quarantined-" + std::string(name); }

std::vector<std::byte> EncodeManifest(const Manifest& manifest, std::string_view creator) {
  std::vector<std::byte> bytes(kPageBytes);
  HeaderPage header;
  header.kind = static_cast<uint16_t>(FileKind::kManifest);
  header.database = manifest.database;
  header.epoch = manifest.epoch;
  std::copy_n(creator.begin(), std::min(creator.size(), header.creator.size()),
              header.creator.begin());
  EncodeHeader(header, bytes.data());

  ByteWriter out(bytes);
  out.Put(manifest.durable_lsn);
  out.Put(manifest.log_segment);
  out.Put(manifest.next_collection);
  out.Put(static_cast<uint32_t>(manifest.collections.size()));
  out.Put(static_cast<uint32_t>(manifest.aliases.size()));
  out.Put(manifest.previous ? uint32_t{2} : uint32_t{1});
  for (const Manifest::Collection& collection : manifest.collections) {
    out.Put(collection.id);
    out.Put(static_cast<uint32_t>(collection.name.size()));
    out.Put(static_cast<uint32_t>(collection.config.size()));
    out.Put(uint32_t{0});
    out.Append(collection.name);
    out.Append(collection.config);
    out.Pad(8);
  }
  for (const Manifest::Alias& alias : manifest.aliases) {
    out.Put(alias.collection);
    out.Put(static_cast<uint32_t>(alias.name.size()));
    out.Append(alias.name);
    out.Pad(8);
  }
  PutGeneration(out, manifest.newest);
  if (manifest.previous) PutGeneration(out, *manifest.previous);
  out.Put(static_cast<uint64_t>(bytes.size() + kTrailerBytes));
  out.Put(uint32_t{0});
  out.Put(MaskCrc(Crc32c(bytes)));
  out.Append(std::as_bytes(std::span(kMagic)));
  return bytes;
}

Result<Manifest> DecodeManifest(std::span<const std::byte> bytes, const std::string& path,
                                uint64_t epoch) {
  const auto corrupt = [&](uint64_t offset, std::string_view what) {
    return CorruptFile(path, "manifest", offset, what);
  };
  if (bytes.size() < kPageBytes + kTrailerBytes) return corrupt(0, "the file is too short");
  // Its name says what it is: what says something else is damaged, not of another kind.
  if (!HasMagic(bytes)) return corrupt(0, "the magic is missing");
  const HeaderPage claimed = DecodeHeader(bytes.data());
  if (CrcHolds(bytes.first(HeaderPage::kCrcAt), claimed.crc) &&
      claimed.kind != static_cast<uint16_t>(FileKind::kManifest)) {
    return corrupt(8, "it is a file of another kind");
  }
  const Result<HeaderPage> header =
      ReadHeaderPage(bytes.first(kPageBytes), path, FileKind::kManifest, HeaderPage::kReservedFrom);
  if (!header.ok()) return header.status();
  const size_t body_end = bytes.size() - kTrailerBytes;
  const std::byte* const trailer = bytes.data() + body_end;
  if (std::memcmp(trailer + 16, kMagic.data(), kMagic.size()) != 0 ||
      LoadLittleEndian<uint64_t>(trailer) != bytes.size() ||
      LoadLittleEndian<uint32_t>(trailer + 8) != 0) {
    return corrupt(body_end, "the end is not where it should be");
  }
  if (!CrcHolds(bytes.first(body_end + 12), LoadLittleEndian<uint32_t>(trailer + 12))) {
    return corrupt(body_end + 12, "the checksum does not match");
  }
  Manifest manifest;
  manifest.database = header->database;
  manifest.epoch = header->epoch;
  ByteReader in(bytes.subspan(kPageBytes, body_end - kPageBytes));
  GetBody(in, manifest);
  if (in.failed() || in.left() != 0 || !NamesAreUnique(manifest)) {
    return corrupt(kPageBytes + in.at(), "a field is out of its range");
  }
  if (manifest.epoch != epoch || manifest.newest.epoch != epoch || AreZero(manifest.database) ||
      (manifest.previous && (manifest.previous->epoch >= epoch ||
                             manifest.previous->covered_lsn > manifest.newest.covered_lsn))) {
    return corrupt(0, "the epochs contradict each other");
  }
  return manifest;
}

Status WriteManifest(FileSystem& files, const std::string& folder, const Manifest& manifest,
                     std::string_view creator) {
  const std::string path = folder + "/" + ManifestName(manifest.epoch);
  auto replaced = ReplacedFile::Create(files, path);
  if (!replaced.ok()) return replaced.status();
  const std::vector<std::byte> bytes = EncodeManifest(manifest, creator);
  VITRINE_RETURN_IF_ERROR((*replaced)->file().WriteAt(0, bytes));
  VITRINE_RETURN_IF_ERROR((*replaced)->SyncAndClose());
  const Result<std::unique_ptr<File>> file = (*replaced)->Reopen();
  if (!file.ok()) return file.status();
  std::vector<std::byte> read(bytes.size());
  VITRINE_RETURN_IF_ERROR((*file)->ReadAt(0, read));
  if (read != bytes) return CorruptFile(path, "manifest", 0, "it was not written as it is");
  return (*replaced)->Commit();
}

Result<Manifest> ReadManifest(FileSystem& files, const std::string& folder, uint64_t epoch) {
  const std::string path = folder + "/" + ManifestName(epoch);
  const Result<std::unique_ptr<File>> file = files.OpenForReading(path, FileSystem::Cache::kDrop);
  if (!file.ok()) return file.status();
  const Result<uint64_t> size = (*file)->Size();
  if (!size.ok()) return size.status();
  if (*size > kMaxManifestBytes) return CorruptFile(path, "manifest", 0, "the file is too long");
  std::vector<std::byte> bytes(static_cast<size_t>(*size));
  VITRINE_RETURN_IF_ERROR((*file)->ReadAt(0, bytes));
  return DecodeManifest(bytes, path, epoch);
}

}  // namespace vitrine
