// Opens databases of which an enemy has made one file: a part of a checkpoint, a graph, the window
// of idempotency keys, a manifest or a segment of the log.
//
// An input is a number that says which database and which of its files, and that file's bytes.

#include <array>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "../native/memory_files.h"
#include "engine/database.h"
#include "fuzzing.h"

namespace vitrine {
namespace {

constexpr char kFolder[] = "db";
constexpr size_t kDatabases = 6;
constexpr CollectionConfig kConfig{.dimension = 3, .m = 4, .ef_construction = 20};

const KernelTable& Kernels() {
  static const KernelTable* const kernels = SelectKernels("");
  return *kernels;
}

std::unique_ptr<Database> Open(MemoryFiles& files, Status* why = nullptr) {
  DatabaseOptions options;
  options.folder = kFolder;
  options.files = &files;
  options.kernels = &Kernels();
  options.background = false;
  options.segment_bytes = {4 * kPageBytes, 8 * kPageBytes};
  Result<std::unique_ptr<Database>> opened = Database::Open(std::move(options));
  if (opened.ok()) return std::move(*opened);
  Require(why != nullptr, "a database that is whole opens");
  *why = opened.status();
  return nullptr;
}

void Put(Database& database, const Collection& collection, std::mt19937& random) {
  Transaction transaction;
  if (random() % 2 == 0) {
    transaction.SetIdempotencyKey({static_cast<std::byte>(random()), std::byte{1}});
  }
  const std::string payload(random() % 20, 'p');
  for (size_t i = 0; i < 4; ++i) {
    const float x = static_cast<float>(random() % 4);
    const std::array vector{x, 1.0f, x};
    PointWrite write;
    write.collection = collection.id();
    write.type = random() % 5 == 0 ? OperationType::kDelete : OperationType::kPut;
    write.key = PointKey::Number(random() % 12);
    if (write.type == OperationType::kPut) {
      write.vector = std::span(vector);
      write.payload = std::as_bytes(std::span(payload));
    }
    Require(transaction.Add(write).ok(), "add");
  }
  Require(database.Write(std::move(transaction)).ok(), "write");
}

// The files of a small database of two collections with two generations of checkpoints.
std::map<std::string, Bytes> MakeDatabase(uint32_t seed) {
  std::mt19937 random(seed);
  MemoryFiles files;
  const auto database = Open(files);
  for (const char* name : {"a", "b"}) {
    Require(database->CreateCollection(name, kConfig).ok(), "create");
  }
  Require(database->SetAlias("alias", "a").ok(), "alias");
  for (uint32_t round = 0; round < 1 + seed % 3; ++round) {
    for (int i = 0; i < 3; ++i) {
      for (const auto& collection : database->Collections()) Put(*database, *collection, random);
    }
    if (round > 0) Require(database->Checkpoint().ok(), "checkpoint");
  }
  Put(*database, *database->Collections()[0], random);
  Require(database->Close().ok(), "close");
  std::map<std::string, Bytes> made;
  for (const std::string& name : files.Names()) made[name] = files.Get(name);
  return made;
}

const std::map<std::string, Bytes>& DatabaseOf(uint8_t choice) {
  static const std::vector<std::map<std::string, Bytes>> databases = [] {
    std::vector<std::map<std::string, Bytes>> made;
    for (uint32_t seed = 0; seed < kDatabases; ++seed) made.push_back(MakeDatabase(seed));
    return made;
  }();
  return databases[choice % kDatabases];
}

const std::string& FileOf(const std::map<std::string, Bytes>& database, uint8_t choice) {
  return std::next(database.begin(), static_cast<ptrdiff_t>(choice % database.size()))->first;
}

// Everything that can be read, to be compared.
std::map<std::string, Bytes> Contents(const Database& database) {
  std::map<std::string, Bytes> contents;
  for (const auto& [alias, name] : database.Aliases()) contents["alias " + alias] = {};
  for (const auto& collection : database.Collections()) {
    Collection::Image image(*collection);
    const size_t dimension = collection->config().dimension;
    for (size_t i = 0; i < image.size(); ++i) {
      const std::span<const std::byte> record = image.Record(i).bytes();
      const auto at = image.Vector(i);
      Require(at.ok(), "what was whole when it was opened is there");
      const std::span vector(*at, collection->table().vector_bytes());
      Bytes& point = contents[collection->name() + NameOf(image.Record(i).key())];
      Require(point.empty(), "a point is there once");
      point.assign(record.begin(), record.end());
      point.insert(point.end(), vector.begin(), vector.end());
      Require(collection->Has(image.Record(i).key()), "a point that is there is found");
    }
    const std::vector<float> query(dimension, 0.25f);
    for (const bool exact : {false, true}) {
      const auto hits = collection->Search(
          {.vector = query.data(), .parameters = {.k = 100, .ef = 200, .exact = exact}});
      Require(hits.ok() && hits->size() <= image.size(), "search");
      Require(!exact || hits->size() == image.size(), "an exact search finds all");
    }
  }
  return contents;
}

Bytes MakeSeed(uint32_t seed) {
  const auto choice = static_cast<uint8_t>(seed % kDatabases);
  const auto file = static_cast<uint8_t>(seed / kDatabases);
  const auto& database = DatabaseOf(choice);
  Bytes input = {std::byte{choice}, std::byte{file}};
  const Bytes& bytes = database.at(FileOf(database, file));
  input.insert(input.end(), bytes.begin(), bytes.end());
  return input;
}

size_t PlaceInInput(uint8_t* data, size_t size, std::mt19937& random) {
  constexpr size_t kMostSections = 4;
  if (size < 2 + 2 * kPageBytes) return random() % size;
  const auto& database = DatabaseOf(data[0]);
  const std::string& path = FileOf(database, data[1]);
  const std::string name = path.substr(path.rfind('/') + 1);
  if (IsCheckpointName(name)) {
    return 2 + PlaceInContainer(data + 2, size - 2, kMostSections, random);
  }
  return random() % 2 == 0
             ? 2 + kPageBytes + random() % std::min<size_t>(size - 2 - kPageBytes, 512)
             : random() % size;
}

}  // namespace
}  // namespace vitrine

using namespace vitrine;  // NOLINT: libFuzzer's functions are global

extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv) {
  static char max_len[] = "-max_len=65536";
  return AllowInputs(max_len, argc, argv);
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const auto* const bytes = reinterpret_cast<const std::byte*>(data);
  const auto& whole = DatabaseOf(data[0]);
  const std::string& damaged = FileOf(whole, data[1]);
  MemoryFiles files;
  for (const auto& [name, content] : whole) {
    files.Put(name, name == damaged ? Bytes(bytes + 2, bytes + size) : content);
  }
  Status why;
  std::unique_ptr<Database> database = Open(files, &why);
  if (database == nullptr) {
    RequireKnown(why);
    return 0;
  }
  const auto contents = Contents(*database);
  Require(database->Checkpoint().ok(), "checkpoint");
  Require(database->Close().ok(), "close");
  database = Open(files);
  Require(Contents(*database) == contents, "a checkpoint holds what was there");
  return 0;
}

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size,
                                          unsigned seed) {
  return MutateFile({data, max_size}, size, 2 + kPageBytes, seed, MakeSeed, PlaceInInput);
}
