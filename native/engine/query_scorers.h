#pragma once

#include <optional>

#include "index/code_store.h"
#include "index/scratch.h"
#include "index/vector_store.h"

namespace vitrine {

// What a table holds its vectors as, for a reader that has a lease.
struct VectorForms {
  const VectorStore& given;
  const VectorStore* bytes;  // the same vectors, exactly, a byte a component; null: there are none
  const CodeStore* codes;    // null: there are none
};

// A query as rows are scored, and as codes are, where there are some.
class QueryScorers {
 public:
  //   query  outlives the object, as does `scratch`
  QueryScorers(const VectorForms& forms, const void* query, Scratch& scratch)
      : exact_(Exact(forms, query, scratch)) {
    if (forms.codes == nullptr) return;
    forms.codes->Prepare(forms.given.AsFloats(query, scratch.float_query), scratch.code_query);
    codes_.emplace(forms.codes->ScorerFor(scratch.code_query, &scratch.failure));
  }

  const VectorScorer& exact() const { return exact_; }
  // Null where rows are walked.
  const CodeScorer* codes() const { return codes_ ? &*codes_ : nullptr; }
  std::optional<DistanceKernel> code_kernel() const {
    return codes_ ? std::optional(codes_->kernel()) : std::nullopt;
  }

 private:
  // Bytes give the same distances from a quarter of the memory, to a query that has no others.
  static VectorScorer Exact(const VectorForms& forms, const void* query, Scratch& scratch) {
    if (forms.bytes != nullptr) {
      scratch.byte_query.resize(forms.given.dimension());
      if (forms.given.ToBytes(forms.given.AsFloats(query, scratch.float_query),
                              scratch.byte_query.data())) {
        return forms.bytes->ScorerFor(scratch.byte_query.data(), &scratch.failure);
      }
    }
    return forms.given.ScorerFor(query, &scratch.failure);
  }

  VectorScorer exact_;
  std::optional<CodeScorer> codes_;
};

}  // namespace vitrine
