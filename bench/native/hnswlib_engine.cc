// The C++ library hnswlib, compiled on demand with -O3 -march=native against the headers inside the
// npm package hnswlib-node. Cosine is the inner product of normalised vectors, as its users do it.

#include <algorithm>
#include <atomic>
#include <memory>
#include <thread>
#include <utility>

#include "engine_program.h"
#include "hnswlib.h"

namespace {

using namespace bench;
using Graph = hnswlib::HierarchicalNSW<float>;

class AllowedRows : public hnswlib::BaseFilterFunctor {
 public:
  AllowedRows(const std::string& path, size_t ids) : bits_(ids, false) {
    const MappedFile<uint32_t> rows(path);
    for (size_t i = 0; i < rows.size(); ++i) bits_.at(rows.data()[i]) = true;
  }
  bool operator()(hnswlib::labeltype label) override { return bits_[label]; }

 private:
  std::vector<bool> bits_;
};

class Engine {
 public:
  std::string Handle(const std::string& verb, const Arguments& arguments) {
    if (verb == "describe") return Describe();
    if (verb == "create") return Create(arguments);
    if (graph_ == nullptr) Fail("no index yet");
    if (verb == "add") return Add(arguments);
    if (verb == "insert") return Insert(arguments);
    if (verb == "remove") return Remove(arguments);
    if (verb == "search") return Search(arguments);
    if (verb == "latencies") return Latencies(arguments);
    if (verb == "exact") return Exact(arguments);
    if (verb == "prepare") return Prepare(arguments);
    if (verb == "memory") return Memory();
    if (verb == "save") return Save(arguments);
    if (verb == "load") return Load(arguments);
    Fail("unknown verb " + verb);
  }

 private:
  static std::string Describe() {
    std::string set = "SSE";
#if defined(USE_AVX512)
    if (AVX512Capable()) set = "AVX-512";
#elif defined(USE_AVX)
    if (AVXCapable()) set = "AVX";
#endif
    return "version=0.8.0 kernels=" + set +
           " modes=single can=filter,exact,remove,save,insert,threads";
  }

  std::string Create(const Arguments& arguments) {
    dimension_ = Number(arguments, "dimension");
    capacity_ = Number(arguments, "capacity");
    threads_ = Number(arguments, "threads");
    replacing_ = Text(arguments, "replacing") == "1";
    normalising_ = Text(arguments, "metric") == "cosine";
    base_ = std::make_unique<MappedFile<float>>(Text(arguments, "base"));
    const MappedFile<float> queries(Text(arguments, "queries"));
    queries_.assign(queries.data(), queries.data() + queries.size());
    if (normalising_) {
      for (size_t at = 0; at < queries_.size(); at += dimension_)
        Normalise(queries_.data() + at, dimension_);
    }
    if (Text(arguments, "metric") == "l2") {
      space_ = std::make_unique<hnswlib::L2Space>(dimension_);
    } else {
      space_ = std::make_unique<hnswlib::InnerProductSpace>(dimension_);
    }
    anonymous_before_ = AnonymousBytes();
    graph_ = std::make_unique<Graph>(space_.get(), capacity_, Number(arguments, "m"),
                                     Number(arguments, "efConstruction"), Number(arguments, "seed"),
                                     replacing_);
    return "";
  }

  std::string Add(const Arguments& arguments) {
    const std::vector<uint32_t> rows = Rows(arguments);
    const Stopwatch watch;
    std::atomic<size_t> next = 0;
    const auto work = [&] {
      for (size_t i = next.fetch_add(1, std::memory_order_relaxed); i < rows.size();
           i = next.fetch_add(1, std::memory_order_relaxed)) {
        AddRow(rows[i]);
      }
    };
    std::vector<std::thread> helpers;
    for (size_t i = 1; i < threads_; ++i) helpers.emplace_back(work);
    work();
    for (auto& helper : helpers) helper.join();
    return watch.Read();
  }

  // Query vectors become points, one call each, under the ids that follow the base's.
  std::string Insert(const Arguments& arguments) {
    std::vector<double> seconds;
    const Stopwatch watch;
    for (const uint32_t query : Rows(arguments)) {
      const double start = WallSeconds();
      graph_->addPoint(Query(query), base_->size() / dimension_ + query, replacing_);
      seconds.push_back(WallSeconds() - start);
    }
    const std::string times = watch.Read();
    Write(Text(arguments, "out"), seconds);
    return times;
  }

  std::string Remove(const Arguments& arguments) {
    const Stopwatch watch;
    for (const uint32_t row : Rows(arguments)) graph_->markDelete(row);
    return watch.Read();
  }

  std::string Search(const Arguments& arguments) {
    const std::vector<uint32_t> queries = Rows(arguments);
    const size_t k = Number(arguments, "k");
    const size_t repeat = Number(arguments, "repeat");
    AllowedRows* allowed =
        arguments.count("allowed") ? Filter(Text(arguments, "allowed")) : nullptr;
    std::vector<uint32_t> found(queries.size() * k, kNoRow);
    graph_->setEf(Number(arguments, "ef"));
    const Stopwatch watch;
    for (size_t round = 0; round < repeat; ++round) {
      for (size_t i = 0; i < queries.size(); ++i) {
        auto hits = graph_->searchKnn(Query(queries[i]), k, allowed);
        for (size_t at = hits.size(); at-- > 0; hits.pop()) {
          found[i * k + at] = static_cast<uint32_t>(hits.top().second);
        }
      }
    }
    const std::string times = watch.Read();
    if (arguments.count("out")) Write(Text(arguments, "out"), found);
    return times;
  }

  std::string Latencies(const Arguments& arguments) {
    std::vector<double> seconds;
    graph_->setEf(Number(arguments, "ef"));
    const size_t k = Number(arguments, "k");
    const Stopwatch watch;
    for (const uint32_t query : Rows(arguments)) {
      const double start = WallSeconds();
      graph_->searchKnn(Query(query), k);
      seconds.push_back(WallSeconds() - start);
    }
    const std::string times = watch.Read();
    Write(Text(arguments, "out"), seconds);
    return times;
  }

  // A scan with the library's own distance function over the rows that the index holds.
  std::string Exact(const Arguments& arguments) {
    const std::vector<uint32_t> queries = Rows(arguments);
    const size_t k = Number(arguments, "k");
    const auto distance = space_->get_dist_func();
    std::vector<uint32_t> found(queries.size() * k, kNoRow);
    const Stopwatch watch;
    for (size_t i = 0; i < queries.size(); ++i) {
      std::vector<std::pair<float, uint32_t>> heap;
      for (size_t slot = 0; slot < graph_->cur_element_count; ++slot) {
        const auto internal = static_cast<hnswlib::tableint>(slot);
        if (graph_->isMarkedDeleted(internal)) continue;
        const float at = distance(Query(queries[i]), graph_->getDataByInternalId(internal),
                                  space_->get_dist_func_param());
        if (heap.size() == k && at >= heap.front().first) continue;
        if (heap.size() == k) {
          std::pop_heap(heap.begin(), heap.end());
          heap.pop_back();
        }
        heap.emplace_back(at, static_cast<uint32_t>(graph_->getExternalLabel(internal)));
        std::push_heap(heap.begin(), heap.end());
      }
      std::sort_heap(heap.begin(), heap.end());
      for (size_t at = 0; at < heap.size(); ++at) found[i * k + at] = heap[at].second;
    }
    const std::string times = watch.Read();
    if (arguments.count("out")) Write(Text(arguments, "out"), found);
    return times;
  }

  std::string Prepare(const Arguments& arguments) {
    filters_.clear();
    const Stopwatch watch;
    Filter(Text(arguments, "allowed"));
    return watch.Read();
  }

  std::string Memory() const {
    const size_t now = AnonymousBytes();
    return "resident=" + std::to_string(now > anonymous_before_ ? now - anonymous_before_ : 0);
  }

  std::string Save(const Arguments& arguments) {
    const Stopwatch watch;
    graph_->saveIndex(Text(arguments, "path"));
    return watch.Read();
  }

  std::string Load(const Arguments& arguments) {
    graph_.reset();
    const Stopwatch watch;
    graph_ = std::make_unique<Graph>(space_.get(), Text(arguments, "path"), false, capacity_,
                                     replacing_);
    return watch.Read();
  }

  const float* Query(uint32_t number) const { return queries_.data() + number * dimension_; }

  void AddRow(uint32_t row) {
    const float* vector = base_->data() + row * dimension_;
    if (!normalising_) {
      graph_->addPoint(vector, row, replacing_);
      return;
    }
    std::vector<float> unit(vector, vector + dimension_);
    Normalise(unit.data(), dimension_);
    graph_->addPoint(unit.data(), row, replacing_);
  }

  AllowedRows* Filter(const std::string& path) {
    auto& filter = filters_[path];
    if (filter == nullptr)
      filter = std::make_unique<AllowedRows>(path, (base_->size() + queries_.size()) / dimension_);
    return filter.get();
  }

  size_t dimension_ = 0;
  size_t capacity_ = 0;
  size_t threads_ = 1;
  bool replacing_ = false;
  bool normalising_ = false;
  size_t anonymous_before_ = 0;
  std::unique_ptr<MappedFile<float>> base_;
  std::vector<float> queries_;
  std::unique_ptr<hnswlib::SpaceInterface<float>> space_;
  std::unique_ptr<Graph> graph_;
  std::map<std::string, std::unique_ptr<AllowedRows>> filters_;
};

}  // namespace

int main() {
  Engine engine;
  return Serve(engine);
}
