// Filters of collections, against a model: whatever is written, read again after a crash, and seen
// from an older snapshot.

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <set>
#include <thread>

#include "database_user.h"
#include "engine/database.h"
#include "filter_model.h"
#include "random_data.h"

namespace vitrine::filter_collection_test {
namespace {

constexpr size_t kDimension = 4;

Filter FilterOf(const std::string& text) {
  Result<Filter> filter = Filter::Parse(text, ModelFields());
  EXPECT_TRUE(filter.ok()) << text << ": " << filter.status().message();
  return *filter;
}

class FilteredCollection : public testing::Test {
 protected:
  FilteredCollection() : files_(TestSeed()), random_(TestSeed()) {}

  void Open() {
    collection_.reset();
    database_.reset();
    files_.Restart();
    auto opened = Database::Open(SmallDatabase(files_));
    ASSERT_TRUE(opened.ok()) << opened.status().message();
    database_ = std::move(*opened);
    const auto collection = database_->CreateCollection("c", Config());
    ASSERT_TRUE(collection.ok()) << collection.status().message();
    collection_ = *collection;
  }

  CollectionConfig Config() const {
    return {.dimension = kDimension, .m = 6, .ef_construction = 40, .fields = fields_};
  }

  std::vector<float> RandomVector() {
    // Few different ones: many points share rows.
    std::vector<float> vector(kDimension);
    for (float& x : vector) x = static_cast<float>(random_() % 4);
    return vector;
  }

  void WriteSome() {
    Transaction transaction;
    for (size_t count = 1 + random_() % 8; count > 0; --count) {
      const OwnKey key{false, random_() % 150, {}};
      const ModelPayload payload = RandomPayload(random_);
      switch (random_() % 5) {
        case 0:
          if (model_.contains(key)) {
            AddSetPayload(transaction, *collection_, key, payload.Json());
            model_[key] = payload;
          }
          break;
        case 1:
          AddDelete(transaction, *collection_, key);
          model_.erase(key);
          break;
        case 2:
          AddPut(transaction, *collection_, key, RandomVector(), std::nullopt);
          model_[key] = {};
          break;
        default:
          AddPut(transaction, *collection_, key, RandomVector(), payload.Json());
          model_[key] = payload;
      }
    }
    const auto written = database_->Write(std::move(transaction));
    ASSERT_TRUE(written.ok()) << written.status().message();
  }

  std::set<OwnKey> Expected(const ModelFilter& filter) const {
    std::set<OwnKey> keys;
    for (const auto& [key, payload] : model_) {
      if (filter.admits(payload)) keys.insert(key);
    }
    return keys;
  }

  static OwnKey KeyOf(const PointRecord& record) { return {false, record.key().number, {}}; }

  static std::set<OwnKey> Admitted(const Collection::Image& image) {
    std::set<OwnKey> keys;
    for (size_t i = 0; i < image.size(); ++i) {
      if (image.Admits(i)) keys.insert(KeyOf(image.Record(i)));
    }
    return keys;
  }

  std::set<OwnKey> Found(const Filter& filter, SearchParameters parameters) {
    parameters.k = 1000;
    const std::vector<float> query = RandomVector();
    const auto hits = collection_->Search({query.data(), parameters, {}, &filter});
    EXPECT_TRUE(hits.ok());
    std::set<OwnKey> keys;
    float last = -1;
    for (const CollectionHit& hit : *hits) {
      EXPECT_TRUE(keys.insert(KeyOf(hit.point.view())).second) << "a point is found twice";
      EXPECT_GE(hit.distance, last);
      last = hit.distance;
    }
    return keys;
  }

  // Every way of asking gives what the model has.
  void Hold() {
    for (int i = 0; i < 4; ++i) {
      const ModelFilter wanted = RandomFilter(random_, 3);
      SCOPED_TRACE(wanted.text);
      const Filter filter = FilterOf(wanted.text);
      const std::set<OwnKey> expected = Expected(wanted);
      ASSERT_EQ(collection_->Count(filter), expected.size());
      ASSERT_EQ(Admitted(Collection::Image(*collection_, &filter)), expected);
      ASSERT_EQ(Found(filter, {.exact = true}), expected);
      ASSERT_EQ(Found(filter, {}), expected);
    }
  }

  FaultFiles files_;
  std::mt19937_64 random_;
  Fields fields_ = ModelFields();
  std::unique_ptr<Database> database_;
  std::shared_ptr<Collection> collection_;
  std::map<OwnKey, ModelPayload> model_;
};

TEST_F(FilteredCollection, FindsWhatAModelFindsThroughWritesCheckpointsAndReopening) {
  VITRINE_TRACE_SEED();
  Open();
  for (size_t step = 0; step < Scaled(600, 120); ++step) {
    SCOPED_TRACE("step " + std::to_string(step));
    ASSERT_NO_FATAL_FAILURE(WriteSome());
    if (step % 5 == 0) {
      ASSERT_NO_FATAL_FAILURE(Hold());
    }
    if (step % 50 == 20) {
      ASSERT_TRUE(database_->Checkpoint().ok());
    }
    if (step % 70 == 60) {
      ASSERT_NO_FATAL_FAILURE(Open());
      ASSERT_NO_FATAL_FAILURE(Hold());
    }
  }
}

TEST_F(FilteredCollection, ShowsAnOlderSnapshotAsItWas) {
  VITRINE_TRACE_SEED();
  Open();
  for (size_t round = 0; round < Scaled(60, 15); ++round) {
    for (int i = 0; i < 10; ++i) ASSERT_NO_FATAL_FAILURE(WriteSome());
    const ModelFilter wanted = RandomFilter(random_, 3);
    SCOPED_TRACE(wanted.text);
    const Filter filter = FilterOf(wanted.text);
    const std::set<OwnKey> then = Expected(wanted);
    const Collection::Image image(*collection_, &filter);
    for (int i = 0; i < 20; ++i) ASSERT_NO_FATAL_FAILURE(WriteSome());
    ASSERT_EQ(Admitted(image), then);
    ASSERT_NO_FATAL_FAILURE(Hold());
  }
}

TEST_F(FilteredCollection, SearchesWhileItsGraphIsBuiltAnew) {
  VITRINE_TRACE_SEED();
  Open();
  for (int i = 0; i < 100; ++i) ASSERT_NO_FATAL_FAILURE(WriteSome());
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(database_->Checkpoint().ok());
  ASSERT_TRUE(database_->Close().ok());
  for (const std::string& path : files_.names()) {
    if (!path.ends_with(".graph")) continue;
    FaultFiles::Bytes bytes = files_.Get(path);
    bytes[bytes.size() / 2] ^= std::byte{1};
    files_.Put(path, bytes);
  }
  ASSERT_NO_FATAL_FAILURE(Open());
  ASSERT_FALSE(collection_->linked());
  for (bool more = true; more;) {
    ASSERT_NO_FATAL_FAILURE(Hold());
    ASSERT_NO_FATAL_FAILURE(WriteSome());
    const Result<bool> linked = collection_->LinkSome(20);
    ASSERT_TRUE(linked.ok());
    more = *linked;
  }
  ASSERT_TRUE(collection_->linked());
  for (int i = 0; i < 20; ++i) {
    ASSERT_NO_FATAL_FAILURE(Hold());
    ASSERT_NO_FATAL_FAILURE(WriteSome());
  }
}

// Two points change places in every write: whoever looks sees one of them.
TEST_F(FilteredCollection, SeesEachWriteWholeWhileItIsWritten) {
  Open();
  std::atomic<bool> stop{false};
  std::atomic<size_t> swaps{0};
  const std::vector<float> here = {1, 1, 1, 1};
  const std::vector<float> there = {2, 2, 2, 2};
  const auto swap = [&](bool first) {
    Transaction transaction;
    AddPut(transaction, *collection_, {false, 1, {}}, here, first ? R"({"lang":"x"})" : "{}");
    AddPut(transaction, *collection_, {false, 2, {}}, there, first ? "{}" : R"({"lang":"x"})");
    ASSERT_TRUE(database_->Write(std::move(transaction)).ok());
  };
  swap(true);
  std::thread writer([&] {
    for (bool first = false; !stop; first = !first, ++swaps) swap(first);
  });
  const Filter filter = FilterOf(R"(["in","lang","x"])");
  const Filter others = FilterOf(R"(["not",["exists","lang"]])");
  for (size_t i = 0; swaps < Scaled(3000, 300) && !HasFailure(); ++i) {
    for (const Filter* const wanted : {&filter, &others}) {
      const bool has_lang = wanted == &filter;
      const auto hits = collection_->Search({.vector = here.data(),
                                             .parameters = {.k = 5, .exact = i % 2 == 0},
                                             .select = {.payload = true, .vector = i % 3 == 0},
                                             .filter = wanted});
      ASSERT_TRUE(hits.ok());
      EXPECT_EQ(hits->size(), 1u);
      for (const CollectionHit& hit : *hits) {
        EXPECT_EQ(hit.point.view().payload()->size() > 2, has_lang);
      }
      EXPECT_EQ(collection_->Count(*wanted), 1u);
    }
  }
  stop = true;
  writer.join();
}

TEST_F(FilteredCollection, RefusesAPayloadOfAnotherType) {
  Open();
  const auto put = [&](const std::string& payload) {
    Transaction transaction;
    AddPut(transaction, *collection_, {false, 1, {}}, {1, 1, 1, 1}, R"({"lang":"kept"})");
    AddPut(transaction, *collection_, {false, 2, {}}, {1, 1, 1, 1}, payload);
    return database_->Write(std::move(transaction));
  };
  const auto failed = put(R"({"year":"2024"})");
  ASSERT_FALSE(failed.ok());
  EXPECT_EQ(failed.status().code(), ErrorCode::kPayload);
  EXPECT_EQ(WriteOutcomeOf(failed.status()), "not_applied");
  EXPECT_EQ(collection_->size(), 0u);
  ASSERT_TRUE(put("{}").ok());
  Transaction transaction;
  AddSetPayload(transaction, *collection_, {false, 1, {}}, R"({"tags":"a"})");
  const auto set = database_->Write(std::move(transaction));
  ASSERT_FALSE(set.ok());
  EXPECT_EQ(set.status().code(), ErrorCode::kPayload);
  EXPECT_EQ(collection_->Count(FilterOf(R"(["in","lang","kept"])")), 1u);
}

// The fields come one by one, while somebody searches by those that are there.
TEST_F(FilteredCollection, TakesFieldsOneByOne) {
  VITRINE_TRACE_SEED();
  fields_.clear();
  ASSERT_NO_FATAL_FAILURE(Open());
  std::atomic<bool> stop{false};
  std::thread reader([&] {
    const std::vector<float> query(kDimension, 1);
    while (!stop) {
      for (const Field& field : collection_->fields()) {
        const auto filter = Filter::Parse("[\"exists\",\"" + field.name + "\"]", {field});
        ASSERT_TRUE(filter.ok());
        ASSERT_TRUE(collection_->Search({query.data(), {.k = 10}, {}, &*filter}).ok());
      }
    }
  });
  const Fields all = ModelFields();
  for (const size_t i : {3, 0, 5, 1, 4, 2}) {
    for (int j = 0; j < 10; ++j) ASSERT_NO_FATAL_FAILURE(WriteSome());
    const Status added = database_->AddField("c", all[i]);
    ASSERT_TRUE(added.ok()) << added.message();
    fields_.push_back(all[i]);
    ASSERT_TRUE(ArrangeFields(fields_).ok());
    EXPECT_EQ(collection_->fields(), fields_);
    EXPECT_TRUE(database_->AddField("c", all[i]).ok()) << "nothing happens the second time";
  }
  stop = true;
  reader.join();
  ASSERT_NO_FATAL_FAILURE(Hold());
  // From the log, from checkpoints, and from a log that begins before the fields.
  for (int round = 0; round < 3; ++round) {
    ASSERT_NO_FATAL_FAILURE(Open());
    EXPECT_EQ(collection_->fields(), all);
    ASSERT_NO_FATAL_FAILURE(Hold());
    ASSERT_NO_FATAL_FAILURE(WriteSome());
    ASSERT_TRUE(database_->Checkpoint().ok());
  }
}

TEST_F(FilteredCollection, RefusesAFieldThatItsPointsDoNotHave) {
  fields_ = {{"lang", FieldType::kKeyword}};
  ASSERT_NO_FATAL_FAILURE(Open());
  Transaction transaction;
  AddPut(transaction, *collection_, {false, 7, {}}, {1, 1, 1, 1}, R"({"year":"2024"})");
  ASSERT_TRUE(database_->Write(std::move(transaction)).ok());
  const Status payload = database_->AddField("c", {"year", FieldType::kInteger});
  ASSERT_FALSE(payload.ok());
  EXPECT_EQ(payload.code(), ErrorCode::kPayload);
  EXPECT_NE(payload.message().find("point 7"), std::string::npos) << payload.message();
  EXPECT_EQ(database_->AddField("c", {"lang", FieldType::kDate}).code(), ErrorCode::kExists);
  EXPECT_EQ(database_->AddField("c", {"$x", FieldType::kDate}).code(), ErrorCode::kOption);
  EXPECT_EQ(database_->AddField("d", {"x", FieldType::kDate}).code(), ErrorCode::kNotFound);
  for (size_t i = 1; i < kMaxFields; ++i) {
    ASSERT_TRUE(database_->AddField("c", {"f" + std::to_string(i), FieldType::kDate}).ok());
  }
  EXPECT_EQ(database_->AddField("c", {"x", FieldType::kDate}).code(), ErrorCode::kOption);
  EXPECT_EQ(collection_->fields().size(), kMaxFields);
  fields_ = collection_->fields();
  ASSERT_NO_FATAL_FAILURE(Open());
  EXPECT_EQ(collection_->Count(*Filter::Parse(R"(["exists","lang"])", fields_)), 0u);
}

// The log holds a payload that was replaced before the field came, of a type that the field
// refuses.
TEST_F(FilteredCollection, ReplaysPayloadsThatAreOlderThanAField) {
  fields_.clear();
  ASSERT_NO_FATAL_FAILURE(Open());
  for (const char* const payload : {R"({"lang":5})", R"({"lang":"en"})"}) {
    Transaction transaction;
    AddPut(transaction, *collection_, {false, 7, {}}, {1, 1, 1, 1}, payload);
    ASSERT_TRUE(database_->Write(std::move(transaction)).ok());
  }
  ASSERT_TRUE(database_->AddField("c", {"lang", FieldType::kKeyword}).ok());
  ASSERT_TRUE(database_->Checkpoint().ok());
  // Without what the checkpoint has, points come from the log and fields from the manifest.
  for (const std::string& path : files_.names()) {
    if (!path.ends_with(".prim")) continue;
    FaultFiles::Bytes bytes = files_.Get(path);
    bytes[bytes.size() / 2] ^= std::byte{1};
    files_.Put(path, bytes);
  }
  fields_ = {{"lang", FieldType::kKeyword}};
  ASSERT_NO_FATAL_FAILURE(Open());
  EXPECT_TRUE(database_->degraded());
  EXPECT_EQ(collection_->Count(*Filter::Parse(R"(["in","lang","en"])", fields_)), 1u);
}

TEST_F(FilteredCollection, RemovesByFilterAsTheTransactionLeftIt) {
  Open();
  const auto put = [&](Transaction& transaction, uint64_t id, const std::string& lang) {
    AddPut(transaction, *collection_, {false, id, {}}, {1, 1, 1, 1}, "{\"lang\":\"" + lang + "\"}");
  };
  Transaction before;
  for (const uint64_t id : {1, 2, 3}) put(before, id, "x");
  ASSERT_TRUE(database_->Write(std::move(before)).ok());
  const Filter filter = FilterOf(R"(["in","lang","x"])");
  Transaction transaction;
  put(transaction, 2, "y");
  put(transaction, 4, "x");
  AddSetPayload(transaction, *collection_, {false, 4, {}}, R"({"lang":"y"})");
  put(transaction, 5, "x");
  AddDelete(transaction, *collection_, {false, 3, {}});
  ASSERT_TRUE(transaction.AddRemoval(collection_->id(), filter).ok());
  put(transaction, 6, "x");
  ASSERT_TRUE(transaction.AddRemoval(collection_->id(), FilterOf(R"(["in","lang","z"])")).ok());
  const auto written = database_->Write(std::move(transaction));
  ASSERT_TRUE(written.ok()) << written.status().message();
  EXPECT_EQ(written->deleted, 3u) << "3 by its key, 1 and 5 by the filter";
  for (int round = 0; round < 2; ++round) {
    std::set<uint64_t> ids;
    const Collection::Image image(*collection_);
    for (size_t i = 0; i < image.size(); ++i) ids.insert(image.Record(i).key().number);
    EXPECT_EQ(ids, (std::set<uint64_t>{2, 4, 6}));
    EXPECT_EQ(collection_->Count(filter), 1u);
  }
  ASSERT_NO_FATAL_FAILURE(Open());
  EXPECT_EQ(collection_->size(), 3u);
  Transaction filters;
  for (size_t i = 0; i < kMaxTransactionFilters; ++i) {
    ASSERT_TRUE(filters.AddRemoval(collection_->id(), filter).ok());
  }
  EXPECT_EQ(filters.AddRemoval(collection_->id(), filter).code(), ErrorCode::kTooLarge);
}

TEST_F(FilteredCollection, KeepsItsFieldsInItsConfiguration) {
  Open();
  CollectionConfig other = Config();
  other.fields.pop_back();
  EXPECT_EQ(database_->CreateCollection("c", other).status().code(), ErrorCode::kExists);
  other.fields.push_back({"$bad", FieldType::kKeyword});
  EXPECT_EQ(database_->CreateCollection("d", other).status().code(), ErrorCode::kOption);
  ASSERT_TRUE(database_->Checkpoint().ok());
  ASSERT_NO_FATAL_FAILURE(Open());
  EXPECT_TRUE(collection_->config() == Config());
  EXPECT_GT(collection_->memory().fields, 0u);
}

}  // namespace
}  // namespace vitrine::filter_collection_test
