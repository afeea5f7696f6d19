#pragma once

#include "engine/quantization.h"
#include "index/code_store.h"
#include "storage/container_format.h"

namespace vitrine {

// The sections of a file that hold codes and what stands beside them. Which they are says how codes
// are laid out, so that codes that were laid out otherwise are made again.
struct CodeSections {
  SectionType codes;
  SectionType sides;
};

inline CodeSections CodeSectionsOf(Quantization kind, Metric metric, size_t dimension) {
  if (kind == Quantization::kRq4 && CodeStore::CarriesLengths(CodeKind::kRq4, metric, dimension)) {
    return {SectionType::kCarryingCodes, SectionType::kCodeDoubts};
  }
  return {SectionType::kCodes, SectionType::kCodeFactors};
}
inline CodeSections CodeSectionsOf(const CodeStore& store) {
  return CodeSectionsOf(store.kind() == CodeKind::kRq4 ? Quantization::kRq4 : Quantization::kSq8,
                        store.metric(), store.dimension());
}

}  // namespace vitrine
