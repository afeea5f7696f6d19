// Takes apart records of transactions and of configurations that an enemy might make: what is
// accepted is made of the same bytes when it is put together again.

#include <random>
#include <string>
#include <vector>

#include "engine/collection_config.h"
#include "engine/transaction.h"
#include "fuzzing.h"

namespace vitrine {
namespace {

// The first byte of an input.
enum Kind : uint8_t { kTransactions, kChanges, kKinds };

std::vector<std::byte> MakeTransaction(std::mt19937& random) {
  Transaction transaction;
  if (random() % 2 == 0) transaction.SetIdempotencyKey({std::byte{1}, std::byte{2}});
  transaction.SetTime(random());
  const std::vector<float> vector(random() % 9, 0.5f);
  const std::string payload(random() % 30, '{');
  const std::string text(1 + random() % 20, 'k');
  for (size_t i = random() % 5; i > 0; --i) {
    PointWrite write;
    write.collection = random() % 4;
    write.type = static_cast<OperationType>(1 + random() % 3);
    write.condition = static_cast<Condition>(random() % 4);
    write.expected_lsn = write.condition == Condition::kUnchanged ? random() : 0;
    write.key = random() % 2 == 0 ? PointKey::Number(random()) : PointKey::Text(text);
    if (write.type == OperationType::kPut) {
      write.vector_type = static_cast<VectorType>(random() % std::size(kVectorTypeNames));
      write.vector = vector;
    }
    if (write.type == OperationType::kSetPayload ||
        (write.type == OperationType::kPut && random() % 2 == 0)) {
      write.payload = std::as_bytes(std::span(payload));
    }
    Require(transaction.Add(write).ok(), "add");
  }
  return transaction.Take();
}

std::vector<std::byte> MakeSeed(uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<std::byte> input = {static_cast<std::byte>(random() % kKinds)};
  ConfigurationChange change{.kind = static_cast<ConfigurationChange::Kind>(1 + random() % 4),
                             .collection = 1 + seed % 9,
                             .name = std::string(1 + random() % 9, 'n'),
                             .config = {.dimension = 1 + random() % 9}};
  const std::vector<std::byte> record =
      input[0] == std::byte{kTransactions} ? MakeTransaction(random) : EncodeChange(change);
  input.insert(input.end(), record.begin(), record.end());
  return input;
}

void TakeApart(std::span<const std::byte> bytes) {
  TransactionReader reader(bytes);
  Transaction again;
  if (reader.has_idempotency_key()) again.SetIdempotencyKey(reader.idempotency_key());
  again.SetTime(reader.time_ms());
  size_t operations = 0;
  while (const std::optional<PointWrite> operation = reader.Next()) {
    Require(again.Add(*operation).ok(), "what is accepted is within the limits");
    ++operations;
  }
  if (reader.failed()) return;
  Require(operations == reader.operations(), "as many operations as it says");
  Require(std::equal(bytes.begin(), bytes.end(), again.bytes().begin(), again.bytes().end()),
          "a transaction has one encoding");
}

}  // namespace
}  // namespace vitrine

using namespace vitrine;  // NOLINT: libFuzzer's functions are global

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  // A copy of its own: records begin at multiples of 8 in the log.
  const std::span input(reinterpret_cast<const std::byte*>(data), size);
  const std::vector<std::byte> record(input.begin() + 1, input.end());
  if (data[0] % kKinds == kTransactions) {
    TakeApart(record);
    return 0;
  }
  const Result<ConfigurationChange> change = DecodeChange(record, "fuzz");
  if (!change.ok()) {
    RequireKnown(change.status());
    return 0;
  }
  Require(EncodeChange(*change) == record, "a change has one encoding");
  return 0;
}

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size,
                                          unsigned seed) {
  return MutateFile({data, max_size}, size, 33, seed, MakeSeed,
                    [](const uint8_t*, size_t bytes, std::mt19937& random) {
                      // Fields begin at multiples of 4.
                      return random() % 2 == 0 ? random() % bytes
                                               : std::min(bytes - 1, 1 + random() % bytes / 4 * 4);
                    });
}
