// Random operations on a table and on its model, which must never disagree.

#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <string>

#include "engine/table.h"
#include "random_data.h"
#include "table_model.h"

namespace vitrine::engine_table_model_test {
namespace {

struct Setting {
  const char* name;
  Metric metric;
  IdType id_type;
  size_t dimension;
  size_t m;
  size_t ids;                // how many different ones
  size_t different_vectors;  // from how many vectors points choose; 0: each has its own
  size_t operations;
};

class ModelRun {
 public:
  ModelRun(const Setting& setting, uint64_t seed)
      : setting_(setting),
        random_(seed),
        table_(MakeTable({.dimension = setting.dimension,
                          .metric = setting.metric,
                          .id_type = setting.id_type,
                          .graph = {.m = setting.m, .ef_construction = 60, .seed = seed}})),
        model_(setting.dimension, setting.metric) {
    for (size_t i = 0; i < setting.different_vectors; ++i) {
      std::vector<float> vector(setting.dimension);
      // A small grid: equal distances between different vectors are common. One is zero, one -0.
      for (float& component : vector) {
        component = i == 0 ? 0.f : i == 1 ? -0.f : static_cast<float>(random_() % 5) - 2;
      }
      choices_.push_back(std::move(vector));
    }
  }

  void Run() {
    // A million of all settings together, where every round is asked for.
    const size_t operations = setting_.operations * Rounds(5, 1);
    for (size_t i = 0; i < operations && !testing::Test::HasFailure(); ++i) {
      SCOPED_TRACE("operation " + std::to_string(i));
      Step();
      if (i % 500 == 499) Audit();
    }
    Audit();
    EXPECT_GE(found_ / wanted_, 0.99) << "recall of walks";
    testing::Test::RecordProperty("operations", std::to_string(operations));
  }

 private:
  void Step() {
    // Swings between filling and emptying, now and then to the last point.
    const bool filling = phase_left_ == 0 ? NewPhase() : filling_;
    --phase_left_;
    const uint64_t dice = random_() % 100;
    if (dice < 12) {
      filling ? Add() : Remove();
    } else if (dice < 16) {
      filling ? AddNumbered() : Remove();
    } else if (dice < 32) {
      Upsert();
    } else if (dice < 38) {
      Remove();
    } else if (dice < 58) {
      SearchExact();
    } else if (dice < 74) {
      SearchWalk();
    } else if (dice < 76) {
      SearchBatch();
    } else if (dice < 80) {
      ChangeSets();
    } else if (dice < 99 || random_() % 4 != 0) {
      Look();
    } else {
      ExpectOk(table_->Sweep());
      EXPECT_EQ(table_->CountUnreachable(), 0u);
    }
    EXPECT_EQ(table_->size(), model_.size());
  }

  bool NewPhase() {
    phase_left_ = random_() % 400;
    return filling_ = !filling_;
  }

  PointId SomeId() {
    const uint64_t n = random_() % setting_.ids;
    if (setting_.id_type == IdType::kU32) return n % 2 == 0 ? n : UINT32_MAX - n;
    return n % 2 == 0 ? n << 33 : UINT64_MAX - n;
  }

  std::vector<float> SomeVector() {
    if (!choices_.empty()) return choices_[random_() % choices_.size()];
    return NormalVectors(1, setting_.dimension, random_());
  }

  std::vector<float> SomeVectors(size_t count) {
    std::vector<float> vectors;
    for (size_t i = 0; i < count; ++i) {
      const std::vector<float> one = SomeVector();
      vectors.insert(vectors.end(), one.begin(), one.end());
    }
    return vectors;
  }

  size_t SomeCount() { return random_() % 20 == 0 ? random_() % 60 : 1 + random_() % 4; }

  void PutAll(const std::vector<PointId>& ids, const std::vector<float>& vectors) {
    for (size_t i = 0; i < ids.size(); ++i) {
      model_.Put(ids[i], vectors.data() + i * setting_.dimension);
      highest_ = std::max(highest_, ids[i]);
      any_ = true;
    }
  }

  void Add() {
    std::vector<PointId> ids(SomeCount());
    for (PointId& id : ids) id = SomeId();
    const std::vector<float> vectors = SomeVectors(ids.size());
    bool exists = std::set(ids.begin(), ids.end()).size() < ids.size();
    for (const PointId id : ids) exists = exists || model_.Has(id);
    const Status status = table_->Add(ids, vectors);
    if (exists) {
      ExpectFails(status, ErrorCode::kExists);
    } else {
      ExpectOk(status);
      PutAll(ids, vectors);
    }
  }

  void AddNumbered() {
    const size_t count = SomeCount();
    const std::vector<float> vectors = SomeVectors(count);
    const PointId last = setting_.id_type == IdType::kU32 ? UINT32_MAX : UINT64_MAX - 1;
    std::vector<PointId> ids;
    const Status status = table_->AddNumbered(count, vectors, ids);
    if (any_ && count > 0 && (highest_ >= last || last - highest_ < count)) {
      ExpectFails(status, ErrorCode::kId);
      return;
    }
    ExpectOk(status);
    EXPECT_EQ(ids, IdsFrom(any_ ? highest_ + 1 : 0, count));
    PutAll(ids, vectors);
  }

  void Upsert() {
    std::vector<PointId> ids(SomeCount());
    for (PointId& id : ids) id = SomeId();
    const std::vector<float> vectors = SomeVectors(ids.size());
    ExpectOk(table_->Upsert(ids, vectors));
    PutAll(ids, vectors);
  }

  void Remove() {
    std::vector<PointId> ids;
    if (random_() % 40 == 0) {
      ids = model_.Ids();  // everything in one call: rows lose their owner and all guests at once
    } else {
      ids.resize(SomeCount());
      for (PointId& id : ids) id = SomeId();
    }
    size_t there = 0;
    for (const PointId id : ids) there += model_.Remove(id) ? 1 : 0;
    const Result<size_t> removed = table_->Remove(ids);
    ASSERT_TRUE(removed.ok());
    EXPECT_EQ(*removed, there);
  }

  size_t SomeK() {
    return random_() % 10 == 0 ? model_.size() + 1 + random_() % 5 : 1 + random_() % 12;
  }

  // A filter and its ids; none half of the time.
  std::pair<const IdSet*, const std::set<PointId>*> SomeFilter() {
    if (sets_.empty() || random_() % 2 == 0) return {};
    const auto& set = sets_[random_() % sets_.size()];
    return {set.first.get(), &set.second};
  }

  void SearchExact() {
    const std::vector<float> query = SomeVector();
    const auto [filter, allowed] = SomeFilter();
    const size_t k = SomeK();
    std::vector<Hit> expected = model_.Search(query.data(), allowed, k);
    expected.resize(std::min(k, expected.size()));
    EXPECT_EQ(SearchHits(*table_, query.data(), {.k = k, .exact = true, .filter = filter}),
              expected);
  }

  void SearchWalk() {
    const std::vector<float> query = SomeVector();
    const auto [filter, allowed] = SomeFilter();
    const size_t k = SomeK();
    const std::vector<Hit> truth = model_.Search(query.data(), allowed, k);
    const std::vector<Hit> hits = SearchHits(*table_, query.data(), {.k = k, .filter = filter});
    EXPECT_EQ(hits.size(), std::min(k, truth.size()));
    std::set<PointId> seen;
    for (size_t i = 0; i < hits.size(); ++i) {
      EXPECT_TRUE(i == 0 || hits[i - 1] < hits[i]);
      EXPECT_TRUE(seen.insert(hits[i].id).second) << "id " << hits[i].id << " comes twice";
      ASSERT_TRUE(model_.Has(hits[i].id) && (allowed == nullptr || allowed->contains(hits[i].id)))
          << "id " << hits[i].id;
      EXPECT_EQ(hits[i].distance,
                model_.Distance(query.data(), model_.points().at(hits[i].id).data()));
    }
    wanted_ += 1;
    found_ += RecallOf(hits, truth, k);
  }

  void SearchBatch() {
    const size_t count = 1 + random_() % 70;
    const size_t k = SomeK();
    const std::vector<float> queries = SomeVectors(count);
    // Side by side, or one after the other.
    const size_t ef = random_() % 2 == 0 ? 0 : 12;
    const SearchParameters parameters{
        .k = k, .ef = ef, .exact = random_() % 4 == 0, .filter = SomeFilter().first};
    std::vector<Hit> hits(count * k);
    std::vector<uint32_t> counts(count, 999'999);
    ExpectOk(table_->SearchBatch(queries, count, parameters, hits, counts));
    for (size_t i = 0; i < count; ++i) {
      const auto from = hits.begin() + static_cast<std::ptrdiff_t>(i * k);
      ASSERT_LE(counts[i], k);
      EXPECT_EQ(std::vector<Hit>(from, from + counts[i]),
                SearchHits(*table_, queries.data() + i * setting_.dimension, parameters))
          << "query " << i;
    }
  }

  void ChangeSets() {
    if (sets_.size() == 5) {
      sets_.erase(sets_.begin() + static_cast<std::ptrdiff_t>(random_() % sets_.size()));
      return;
    }
    std::vector<PointId> ids(random_() % setting_.ids);
    for (PointId& id : ids) id = SomeId();
    auto set = table_->MakeIdSet(ids);
    ASSERT_TRUE(set.ok());
    sets_.emplace_back(*set, std::set(ids.begin(), ids.end()));
  }

  void Look() {
    std::vector<PointId> ids(1 + random_() % 3);
    for (PointId& id : ids) id = SomeId();
    if (model_.size() > 0 && random_() % 2 == 0) ids = {model_.points().begin()->first};
    bool all = true;
    for (const PointId id : ids) {
      EXPECT_EQ(table_->Has(id), model_.Has(id));
      all = all && model_.Has(id);
    }
    std::vector<float> vectors(ids.size() * setting_.dimension);
    const Status status = table_->Get(ids, vectors);
    if (!all) {
      ExpectFails(status, ErrorCode::kNotFound);
      return;
    }
    ExpectOk(status);
    for (size_t i = 0; i < ids.size(); ++i) {
      EXPECT_EQ(std::memcmp(vectors.data() + i * setting_.dimension,
                            model_.points().at(ids[i]).data(), setting_.dimension * sizeof(float)),
                0);
    }
  }

  // What holds at any time, whatever came before.
  void Audit() {
    EXPECT_EQ(table_->Ids(), model_.Ids());
    const std::vector<float> query = NormalVectors(1, setting_.dimension, random_());
    const auto plan = table_->Explain(query.data(), {});
    ASSERT_TRUE(plan.ok());
    std::set<std::vector<float>> different;
    for (const auto& [id, vector] : model_.points()) different.insert(vector);
    EXPECT_LE(plan->rows, model_.size());
    EXPECT_GE(plan->rows, different.size());
    for (const auto& [set, ids] : sets_) {
      size_t there = 0;
      for (const PointId id : ids) there += model_.Has(id) ? 1 : 0;
      const auto allowed = table_->Explain(query.data(), {.exact = true, .filter = set.get()});
      ASSERT_TRUE(allowed.ok());
      EXPECT_LE(allowed->allowed_rows, there);
      EXPECT_EQ(allowed->allowed_rows == 0, there == 0);
    }
    // Rows that points left are used again.
    most_ = std::max(most_, model_.size());
    const size_t row_bytes = setting_.dimension * sizeof(float) +
                             (setting_.metric == Metric::kCosine ? sizeof(float) : 0);
    EXPECT_LE(table_->memory().vectors / row_bytes, 3 * setting_.ids + 600);
  }

  const Setting setting_;
  std::mt19937_64 random_;
  const std::unique_ptr<Table> table_;
  TableModel model_;
  std::vector<std::vector<float>> choices_;
  std::vector<std::pair<std::shared_ptr<IdSet>, std::set<PointId>>> sets_;
  PointId highest_ = 0;
  bool any_ = false;
  bool filling_ = true;
  uint64_t phase_left_ = 300;
  size_t most_ = 0;
  double found_ = 0;
  double wanted_ = 0;
};

class TableModelTest : public testing::TestWithParam<Setting> {};

TEST_P(TableModelTest, AgreesWithItsTable) {
  VITRINE_TRACE_SEED();
  ModelRun(GetParam(), TestSeed()).Run();
}

INSTANTIATE_TEST_SUITE_P(
    Operations, TableModelTest,
    testing::Values(
        Setting{"FewVectorsL2", Metric::kL2, IdType::kU32, 3, 8, 150, 12, Scaled(50'000, 8'000)},
        Setting{"FewVectorsCosine", Metric::kCosine, IdType::kU64, 3, 8, 150, 12,
                Scaled(50'000, 8'000)},
        Setting{"FewVectorsIp", Metric::kIp, IdType::kU32, 2, 2, 150, 12, Scaled(40'000, 6'000)},
        Setting{"GridCosine", Metric::kCosine, IdType::kU32, 3, 4, 400, 60, Scaled(40'000, 6'000)},
        Setting{"OwnVectorsL2", Metric::kL2, IdType::kU64, 8, 16, 1000, 0, Scaled(20'000, 3'000)},
        Setting{"OwnVectorsIp", Metric::kIp, IdType::kU64, 8, 16, 500, 0, Scaled(20'000, 3'000)}),
    [](const auto& info) { return std::string(info.param.name); });

// All points of a row in one call: it leaves the graph once, not once a point.
TEST(TableRemove, TakesARowWithManyPointsOutOnce) {
  const auto table = MakeTable({.dimension = 2});
  std::vector<float> vectors;
  for (int i = 0; i < 300; ++i) vectors.insert(vectors.end(), {1, 2});
  for (int i = 0; i < 20; ++i) vectors.insert(vectors.end(), {static_cast<float>(i), 5});
  ExpectOk(table->Add(IdsFrom(0, 320), vectors));
  const float query[] = {0, 0};
  ASSERT_EQ(table->Explain(query, {})->rows, 21u);
  ASSERT_EQ(*table->Remove(IdsFrom(0, 300)), 300u);
  EXPECT_EQ(table->Explain(query, {})->rows, 20u);
  EXPECT_EQ(SearchHits(*table, query, {.k = 5}).size(), 5u);
  ExpectOk(table->Sweep());
  EXPECT_EQ(table->Explain(query, {})->rows, 20u);
}

// What is added to a table that was emptied can be found: the first row becomes an entry.
TEST(TableAdd, AfterTheLastPointWasRemovedIsReachable) {
  for (const size_t before : {1, 40, 64, 65, 66, 130, 1001, 3333}) {
    for (const bool sweep : {false, true}) {
      const auto table = MakeTable({.dimension = 4});
      ExpectOk(table->Add(IdsFrom(0, before), NormalVectors(before, 4, 1)));
      ASSERT_EQ(*table->Remove(IdsFrom(0, before)), before);
      if (sweep) ExpectOk(table->Sweep());
      for (PointId id = 0; id < 100; ++id) {
        ExpectOk(table->Add(IdsFrom(id, 1), NormalVectors(1, 4, 100 + id)));
        ASSERT_EQ(table->CountUnreachable(), 0u)
            << id + 1 << " points after " << before << (sweep ? ", swept" : "");
      }
    }
  }
}

}  // namespace
}  // namespace vitrine::engine_table_model_test
