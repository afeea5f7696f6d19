#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <unordered_map>

#include "engine/id_map.h"
#include "random_data.h"

namespace vitrine::engine_id_map_test {
namespace {

class Owners final : public IdMap::OwnerIds {
 public:
  explicit Owners(size_t slots) : ids(slots) {}
  PointId OwnerId(Slot slot) const override { return ids[slot]; }
  std::vector<PointId> ids;
};

// Ids as users have them: consecutive, aligned, random, the extremes.
PointId SomeId(std::mt19937_64& random) {
  const uint64_t n = random() % 700;
  switch (random() % 4) {
    case 0:
      return n;
    case 1:
      return n << 32;
    case 2:
      return UINT64_MAX - n;
    default:
      return n * 0x9e3779b97f4a7c15u;
  }
}

TEST(IdMap, AgreesWithAStandardMap) {
  VITRINE_TRACE_SEED();
  constexpr size_t kSlots = 5000;
  std::mt19937_64 random(TestSeed());
  Owners owners(kSlots);
  IdMap map(owners);
  std::unordered_map<PointId, PointRef> model;
  std::vector<Slot> free;
  for (Slot slot = 0; slot < kSlots; ++slot) free.push_back(slot);
  const auto release = [&](PointRef ref) {
    if (!ref.shared()) free.push_back(ref.slot());
  };

  EXPECT_FALSE(map.Find(7).present());
  for (size_t step = 0; step < Scaled(200'000, 50'000); ++step) {
    const PointId id = SomeId(random);
    const auto known = model.find(id);
    ASSERT_EQ(map.Find(id), known == model.end() ? PointRef{} : known->second);
    // Swings between growing and shrinking, so that holes and long runs come up.
    const bool growing = step / 5000 % 2 == 0;
    const uint64_t dice = random() % 10;
    if (dice < (growing ? 7 : 3)) {
      PointRef ref;
      if (random() % 3 == 0) {
        ref = PointRef::Shared(static_cast<Slot>(random() % kSlots));
        map.Reserve(map.size() + 1, 1);
      } else {
        const size_t at = random() % free.size();
        ref = PointRef::Owner(free[at]);
        free[at] = free.back();
        free.pop_back();
        owners.ids[ref.slot()] = id;
        map.Reserve(map.size() + 1, 0);
      }
      map.Put(id, ref);
      if (known != model.end()) release(known->second);
      model[id] = ref;
    } else if (known != model.end()) {
      map.Erase(id);
      release(known->second);
      model.erase(known);
    }
    ASSERT_EQ(map.size(), model.size());
    if (step % 5000 != 0) continue;
    for (const auto& [other, ref] : model) ASSERT_EQ(map.Find(other), ref);
    std::unordered_map<PointId, PointRef> listed;
    map.ForEach([&](PointId listed_id, PointRef ref) { listed[listed_id] = ref; });
    ASSERT_EQ(listed, model);
  }
}

TEST(IdMap, KeepsItsRoomAfterReserve) {
  Owners owners(10'000);
  IdMap map(owners);
  map.Reserve(10'000, 4000);
  const size_t bytes = map.memory_bytes();
  EXPECT_LE(bytes, 16'384 * 4 + 4000 * 20u);
  for (Slot slot = 0; slot < 10'000; ++slot) {
    owners.ids[slot] = slot;
    map.Put(slot, slot % 5 < 2 ? PointRef::Shared(slot) : PointRef::Owner(slot));
  }
  EXPECT_EQ(map.memory_bytes(), bytes);
  for (Slot slot = 0; slot < 10'000; slot += 2) map.Erase(slot);
  EXPECT_EQ(map.memory_bytes(), bytes);
  EXPECT_EQ(map.size(), 5000u);
}

}  // namespace
}  // namespace vitrine::engine_id_map_test
