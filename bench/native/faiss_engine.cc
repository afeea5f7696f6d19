// The HNSW index of the C++ library faiss, IndexHNSWFlat, as Debian's libfaiss-dev builds it.
// Cosine is the inner product of normalised vectors, as its users do it. faiss counts its degree as
// hnswlib does: M links, and 2 M on the lowest layer.

#include <faiss/IndexFlat.h>
#include <faiss/IndexHNSW.h>
#include <faiss/index_io.h>
#include <omp.h>

#include <memory>

#include "engine_program.h"

#define FAISS_TEXT(x) #x
#define FAISS_VERSION(major, minor, patch) \
  FAISS_TEXT(major) "." FAISS_TEXT(minor) "." FAISS_TEXT(patch)

namespace {

using namespace bench;
using Label = faiss::Index::idx_t;

constexpr size_t kRowsPerCall = 1024;

class Engine {
 public:
  std::string Handle(const std::string& verb, const Arguments& arguments) {
    if (verb == "describe") {
      return std::string("version=") +
             FAISS_VERSION(FAISS_VERSION_MAJOR, FAISS_VERSION_MINOR, FAISS_VERSION_PATCH) +
             " kernels=as%20Debian%20builds%20it modes=single,batch can=save,threads,exact "
             "settings=IndexHNSWFlat,%20f32%20rows";
    }
    if (verb == "create") return Create(arguments);
    if (index_ == nullptr) Fail("no index yet");
    if (verb == "add") return Add(arguments);
    if (verb == "search") return Search(arguments);
    if (verb == "exact") return Exact(arguments);
    if (verb == "latencies") return Latencies(arguments);
    if (verb == "memory") return Memory();
    if (verb == "save") return Save(arguments);
    if (verb == "load") return Load(arguments);
    Fail("unknown command " + verb);
  }

 private:
  std::string Create(const Arguments& arguments) {
    dimension_ = Number(arguments, "dimension");
    normalising_ = Text(arguments, "metric") == "cosine";
    omp_set_num_threads(static_cast<int>(Number(arguments, "threads")));
    base_ = std::make_unique<MappedFile<float>>(Text(arguments, "base"));
    const MappedFile<float> queries(Text(arguments, "queries"));
    queries_.assign(queries.data(), queries.data() + queries.size());
    if (normalising_) {
      for (size_t at = 0; at < queries_.size(); at += dimension_) {
        Normalise(queries_.data() + at, dimension_);
      }
    }
    anonymous_before_ = AnonymousBytes();
    const auto metric =
        Text(arguments, "metric") == "l2" ? faiss::METRIC_L2 : faiss::METRIC_INNER_PRODUCT;
    index_ = std::make_unique<faiss::IndexHNSWFlat>(
        static_cast<int>(dimension_), static_cast<int>(Number(arguments, "m")), metric);
    index_->hnsw.efConstruction = static_cast<int>(Number(arguments, "efConstruction"));
    index_->hnsw.rng = faiss::RandomGenerator(static_cast<int64_t>(Number(arguments, "seed")));
    return "";
  }

  // Labels are places in the index: rows come in order, which the benchmark's builds do.
  std::string Add(const Arguments& arguments) {
    const std::vector<uint32_t> rows = Rows(arguments);
    const Stopwatch watch;
    std::vector<float> vectors;
    for (size_t first = 0; first < rows.size(); first += kRowsPerCall) {
      const size_t count = std::min(kRowsPerCall, rows.size() - first);
      vectors.resize(count * dimension_);
      for (size_t i = 0; i < count; ++i) {
        if (rows[first + i] != static_cast<size_t>(index_->ntotal) + i) Fail("rows out of order");
        const float* row = base_->data() + size_t{rows[first + i]} * dimension_;
        std::copy(row, row + dimension_, vectors.begin() + static_cast<long>(i * dimension_));
        if (normalising_) Normalise(vectors.data() + i * dimension_, dimension_);
      }
      index_->add(static_cast<Label>(count), vectors.data());
    }
    return watch.Read();
  }

  std::string Search(const Arguments& arguments) {
    const std::vector<uint32_t> queries = Rows(arguments);
    const size_t k = Number(arguments, "k");
    const size_t repeat = Number(arguments, "repeat");
    const bool batch = Text(arguments, "mode") == "batch";
    index_->hnsw.efSearch = static_cast<int>(Number(arguments, "ef"));
    std::vector<float> matrix;
    for (const uint32_t query : queries) {
      matrix.insert(matrix.end(), Query(query), Query(query) + dimension_);
    }
    std::vector<float> distances(queries.size() * k);
    std::vector<Label> labels(queries.size() * k);
    const size_t step = batch ? queries.size() : 1;
    const Stopwatch watch;
    for (size_t round = 0; round < repeat; ++round) {
      for (size_t i = 0; i < queries.size(); i += step) {
        index_->search(static_cast<Label>(step), matrix.data() + i * dimension_,
                       static_cast<Label>(k), distances.data() + i * k, labels.data() + i * k);
      }
    }
    const std::string times = watch.Read();
    if (arguments.count("out")) WriteLabels(Text(arguments, "out"), labels);
    return times;
  }

  std::string Exact(const Arguments& arguments) {
    const std::vector<uint32_t> queries = Rows(arguments);
    const size_t k = Number(arguments, "k");
    std::vector<float> distances(queries.size() * k);
    std::vector<Label> labels(queries.size() * k);
    const Stopwatch watch;
    for (size_t i = 0; i < queries.size(); ++i) {
      index_->storage->search(1, Query(queries[i]), static_cast<Label>(k), distances.data() + i * k,
                              labels.data() + i * k);
    }
    const std::string times = watch.Read();
    if (arguments.count("out")) WriteLabels(Text(arguments, "out"), labels);
    return times;
  }

  std::string Latencies(const Arguments& arguments) {
    const size_t k = Number(arguments, "k");
    index_->hnsw.efSearch = static_cast<int>(Number(arguments, "ef"));
    std::vector<float> distances(k);
    std::vector<Label> labels(k);
    std::vector<double> seconds;
    const Stopwatch watch;
    for (const uint32_t query : Rows(arguments)) {
      const double start = WallSeconds();
      index_->search(1, Query(query), static_cast<Label>(k), distances.data(), labels.data());
      seconds.push_back(WallSeconds() - start);
    }
    const std::string times = watch.Read();
    Write(Text(arguments, "out"), seconds);
    return times;
  }

  std::string Memory() const {
    const size_t now = AnonymousBytes();
    return "resident=" + std::to_string(now > anonymous_before_ ? now - anonymous_before_ : 0);
  }

  std::string Save(const Arguments& arguments) {
    const Stopwatch watch;
    faiss::write_index(index_.get(), Text(arguments, "path").c_str());
    return watch.Read();
  }

  std::string Load(const Arguments& arguments) {
    index_.reset();
    const Stopwatch watch;
    std::unique_ptr<faiss::Index> read(faiss::read_index(Text(arguments, "path").c_str()));
    auto* const graph = dynamic_cast<faiss::IndexHNSWFlat*>(read.get());
    if (graph == nullptr) Fail("the file holds another kind of index");
    read.release();
    index_.reset(graph);
    return watch.Read();
  }

  const float* Query(uint32_t number) const {
    return queries_.data() + size_t{number} * dimension_;
  }

  static void WriteLabels(const std::string& path, const std::vector<Label>& labels) {
    std::vector<uint32_t> found;
    // -1, where there are fewer hits, becomes the greatest number.
    for (const Label label : labels) found.push_back(static_cast<uint32_t>(label));
    Write(path, found);
  }

  size_t dimension_ = 0;
  bool normalising_ = false;
  size_t anonymous_before_ = 0;
  std::unique_ptr<MappedFile<float>> base_;
  std::vector<float> queries_;
  std::unique_ptr<faiss::IndexHNSWFlat> index_;
};

}  // namespace

int main() {
  Engine engine;
  return Serve(engine);
}
