#pragma once

#include <optional>

#include "index/code_store.h"
#include "index/scratch.h"
#include "index/vector_store.h"

namespace vitrine {

// A query as rows are scored, and as codes are, where there are some.
class QueryScorers {
 public:
  // `codes` may be null; `query` and `scratch` outlive the object.
  QueryScorers(const VectorStore& vectors, const CodeStore* codes, const void* query,
               Scratch& scratch)
      : exact_(vectors.ScorerFor(query, &scratch.failure)) {
    if (codes == nullptr) return;
    codes->Prepare(vectors.AsFloats(query, scratch.float_query), scratch.code_query);
    codes_.emplace(codes->ScorerFor(scratch.code_query, &scratch.failure));
  }

  const VectorScorer& exact() const { return exact_; }
  // Null where rows are walked.
  const CodeScorer* codes() const { return codes_ ? &*codes_ : nullptr; }
  std::optional<DistanceKernel> code_kernel() const {
    return codes_ ? std::optional(codes_->kernel()) : std::nullopt;
  }

 private:
  VectorScorer exact_;
  std::optional<CodeScorer> codes_;
};

}  // namespace vitrine
