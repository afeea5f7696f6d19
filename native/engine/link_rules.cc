#include "engine/link_rules.h"

#include <algorithm>

#include "kernels/cpu_features.h"
#include "kernels/intrinsics.h"
#include "kernels/isa.h"

#if defined(VITRINE_X86_64)
VITRINE_TARGET_BEGIN_AVX2
namespace vitrine {
namespace {

struct NodeBits {
  const uint64_t* words;
  uint32_t count;
  bool all;  // are set
};

// Rows that are longer have too many pairs of words.
constexpr size_t kMostWords = 64;

// Of a node.
struct LinkWords {
  const uint32_t* words;
  size_t count;  // 16 ... kMostWords, a multiple of 16
  size_t degree;
};

inline __m256i Load(const uint32_t* from) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));  // NOLINT
}

inline void Store(uint32_t* to, __m256i words_u32x8) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), words_u32x8);  // NOLINT
}

// Which words lead to nodes other than `point`, or nowhere: all ones each.
inline __m256i LeadRight(const NodeBits& nodes, uint32_t point, __m256i words_u32x8) {
  const __m256i targets_u32x8 = _mm256_andnot_si256(_mm256_set1_epi32(INT32_MIN), words_u32x8);
  const __m256i count_u32x8 = _mm256_set1_epi32(static_cast<int>(nodes.count));
  __m256i are_nodes_u32x8 = _mm256_cmpgt_epi32(count_u32x8, targets_u32x8);
  if (!nodes.all) {
    // The bit of point number `count` is never set.
    const __m256i at_u32x8 = _mm256_min_epu32(targets_u32x8, count_u32x8);
    const __m256i bits_u32x8 =
        _mm256_i32gather_epi32(reinterpret_cast<const int*>(nodes.words),  // NOLINT
                               _mm256_srli_epi32(at_u32x8, 5), sizeof(int));
    const __m256i place_u32x8 = _mm256_and_si256(at_u32x8, _mm256_set1_epi32(31));
    const __m256i one_u32x8 = _mm256_set1_epi32(1);
    are_nodes_u32x8 = _mm256_cmpeq_epi32(
        _mm256_and_si256(_mm256_srlv_epi32(bits_u32x8, place_u32x8), one_u32x8), one_u32x8);
  }
  const __m256i itself_u32x8 =
      _mm256_cmpeq_epi32(targets_u32x8, _mm256_set1_epi32(static_cast<int>(point)));
  const __m256i none_u32x8 =
      _mm256_cmpeq_epi32(words_u32x8, _mm256_set1_epi32(static_cast<int>(kNoSlot)));
  return _mm256_or_si256(none_u32x8, _mm256_andnot_si256(itself_u32x8, are_nodes_u32x8));
}

// Whether two of the words are the same.
//   words  [2 * count]: these, and once more the same; count a multiple of 16
inline bool AreTwice(const uint32_t* words, size_t count) {
  __m256i equal0_u32x8 = _mm256_setzero_si256();
  __m256i equal1_u32x8 = _mm256_setzero_si256();
  for (size_t i = 0; i < count; i += 8) {
    const __m256i some_u32x8 = Load(words + i);
    // Of two words one is at most half a round behind the other.
    for (const uint32_t* other = words + i + 1; other <= words + i + count / 2; other += 4) {
      equal0_u32x8 = _mm256_or_si256(
          equal0_u32x8, _mm256_or_si256(_mm256_cmpeq_epi32(some_u32x8, Load(other)),
                                        _mm256_cmpeq_epi32(some_u32x8, Load(other + 1))));
      equal1_u32x8 = _mm256_or_si256(
          equal1_u32x8, _mm256_or_si256(_mm256_cmpeq_epi32(some_u32x8, Load(other + 2)),
                                        _mm256_cmpeq_epi32(some_u32x8, Load(other + 3))));
    }
  }
  const __m256i equal_u32x8 = _mm256_or_si256(equal0_u32x8, equal1_u32x8);
  return _mm256_testz_si256(equal_u32x8, equal_u32x8) == 0;
}

// Whether the words of a node break a rule. Without branches, for links, fill edges and empty words
// come in any order: by one after the other this took a tenth of the time of opening 100,000
// points.
bool IsWrong(const NodeBits& nodes, uint32_t point, const LinkWords& row) {
  uint32_t words[2 * kMostWords];
  size_t links = row.count;
  __m256i right_u32x8 = _mm256_set1_epi32(-1);
  // Words that are no links are different from each other, and from links.
  __m256i different_u32x8 =
      _mm256_or_si256(_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7), _mm256_set1_epi32(INT32_MIN));
  for (size_t i = 0; i < row.count; i += 8) {
    const __m256i words_u32x8 = Load(row.words + i);
    right_u32x8 = _mm256_and_si256(right_u32x8, LeadRight(nodes, point, words_u32x8));
    // By their signs.
    const __m256 signs_f32x8 = _mm256_castsi256_ps(words_u32x8);
    const int others = _mm256_movemask_ps(signs_f32x8);
    links -= static_cast<size_t>(_mm_popcnt_u32(static_cast<unsigned>(others)));
    const __m256i links_u32x8 = _mm256_castps_si256(
        _mm256_blendv_ps(signs_f32x8, _mm256_castsi256_ps(different_u32x8), signs_f32x8));
    Store(words + i, links_u32x8);
    Store(words + row.count + i, links_u32x8);
    different_u32x8 = _mm256_add_epi32(different_u32x8, _mm256_set1_epi32(8));
  }
  const bool all_right = _mm256_testc_si256(right_u32x8, _mm256_set1_epi32(-1)) != 0;
  return !all_right || links > row.degree || AreTwice(words, row.count);
}

}  // namespace
}  // namespace vitrine
VITRINE_TARGET_END
#endif

namespace vitrine {

bool LinkRules::MayBeWrong([[maybe_unused]] uint32_t point,
                           [[maybe_unused]] std::span<const uint32_t> row) const {
#if defined(VITRINE_X86_64)
  static const bool has_avx2 = Avx2Supported();
  if (has_avx2 && row.size() <= kMostWords) {
    const bool all_nodes = node_count_ == count_;
    return IsWrong({nodes_.data(), static_cast<uint32_t>(count_), all_nodes}, point,
                   {row.data(), row.size(), degree_});
  }
#endif
  return true;
}

std::string_view LinkRules::Check(uint32_t first, std::span<const uint32_t> words) const {
  for (size_t i = 0; i * width_ < words.size(); ++i) {
    const uint32_t point = first + static_cast<uint32_t>(i);
    const std::span<const uint32_t> row = words.subspan(i * width_, width_);
    if (IsNode(point)) {
      if (!MayBeWrong(point, row)) continue;
      const std::string_view wrong =
          CheckLinkWords(row, degree_, [&](Slot target) -> std::string_view {
            return target == point || !IsNode(target) ? "a link leads nowhere" : "";
          });
      if (!wrong.empty()) return wrong;
    } else if (std::any_of(row.begin(), row.end(), [](uint32_t word) { return word != kNoSlot; })) {
      return "a point that is no node has links";
    }
  }
  return {};
}

}  // namespace vitrine
