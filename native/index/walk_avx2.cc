#include "kernels/isa.h"

#if VITRINE_X86_64

#include <immintrin.h>

#include <algorithm>
#include <bit>
#include <limits>
#include <new>

#include "base/platform.h"
#include "base/prefetch.h"
#include "index/walk.h"

namespace vitrine {

extern const WalkTable kWalksAvx2;

VITRINE_TARGET_BEGIN_AVX2

namespace {

#include "index/walk_impl.h"

struct Avx2Isa {
  static VITRINE_ALWAYS_INLINE size_t Collect(Slot node, const Links& links, Scratch& scratch) {
    [[maybe_unused]] const uint32_t* row = links.Row(node);  // TSan sees atomic loads only
    const __m256i limit = _mm256_set1_epi32(static_cast<int>(scratch.slot_limit));
    Slot* const out = scratch.step_slots + scratch.step_count;
    size_t count = 0;
    for (size_t i = 0; i < links.width(); i += 8) {
#if VITRINE_TSAN
      alignas(32) uint32_t words[8];
      for (size_t j = 0; j < 8; ++j) words[j] = links.Load(node, i + j);
      const __m256i slots = _mm256_load_si256(reinterpret_cast<const __m256i*>(words));
#else
      const __m256i slots = _mm256_load_si256(reinterpret_cast<const __m256i*>(row + i));
      std::atomic_signal_fence(std::memory_order_acquire);  // x86 loads acquire by themselves
#endif
      // Slots are below 2^30, so the signed comparison is right once negative words (fill edges,
      // kNoSlot) are left out.
      const __m256i valid =
          _mm256_andnot_si256(_mm256_srai_epi32(slots, 31), _mm256_cmpgt_epi32(limit, slots));
      if (_mm256_testz_si256(valid, valid) != 0) continue;
      const __m256i marks = _mm256_mask_i32gather_epi32(
          _mm256_setzero_si256(), reinterpret_cast<const int*>(scratch.visited),
          _mm256_srli_epi32(slots, 5), valid, 4);
      // The mark of slot s is moved to the sign bit: left by 31 - s % 32.
      const __m256i distance =
          _mm256_xor_si256(_mm256_and_si256(slots, _mm256_set1_epi32(31)), _mm256_set1_epi32(31));
      const __m256i fresh = _mm256_andnot_si256(_mm256_sllv_epi32(marks, distance), valid);
      unsigned mask = static_cast<unsigned>(_mm256_movemask_ps(_mm256_castsi256_ps(fresh)));
      for (; mask != 0; mask &= mask - 1) {
#if VITRINE_TSAN
        const Slot slot = words[std::countr_zero(mask)];
#else
        const Slot slot = row[i + static_cast<size_t>(std::countr_zero(mask))];
        // The row may have been rewritten since it was loaded as a vector.
        if (slot >= scratch.slot_limit) continue;
#endif
        if (scratch.Visit(slot)) out[count++] = slot;
      }
    }
    return count;
  }

  static VITRINE_ALWAYS_INLINE size_t Insert(CandidatePool& pool, float distance, uint32_t tagged) {
    // Whole blocks of 8 move up by one, taking the last entry of the block below with them.
    const __m256i rotate = _mm256_setr_epi32(7, 0, 1, 2, 3, 4, 5, 6);
    float* const d = pool.distance;
    uint32_t* const t = pool.tagged;
    size_t block = (pool.size - 1) & ~size_t{7};
    for (; block > 0 && d[block - 1] > distance; block -= 8) {
      __m256 values = _mm256_permutevar8x32_ps(_mm256_load_ps(d + block), rotate);
      __m256i tags = _mm256_permutevar8x32_epi32(
          _mm256_load_si256(reinterpret_cast<const __m256i*>(t + block)), rotate);
      values = _mm256_blend_ps(values, _mm256_set1_ps(d[block - 1]), 1);
      tags = _mm256_blend_epi32(tags, _mm256_set1_epi32(static_cast<int>(t[block - 1])), 1);
      _mm256_store_ps(d + block, values);
      _mm256_store_si256(reinterpret_cast<__m256i*>(t + block), tags);
    }
    const __m256 values = _mm256_load_ps(d + block);
    const __m256i tags = _mm256_load_si256(reinterpret_cast<const __m256i*>(t + block));
    // Entries that stay come first; lanes beyond the pool's end may hold anything, so they are
    // kept out of the count.
    unsigned stay = static_cast<unsigned>(
        _mm256_movemask_ps(_mm256_cmp_ps(values, _mm256_set1_ps(distance), _CMP_LE_OQ)));
    if (pool.size - block < 9) stay &= (1u << (pool.size - 1 - block)) - 1;
    const int place = std::popcount(static_cast<unsigned>(stay));
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    const __m256i at = _mm256_set1_epi32(place);
    const __m256i above = _mm256_cmpgt_epi32(lane, at);
    const __m256i here = _mm256_cmpeq_epi32(lane, at);
    __m256 moved = _mm256_blendv_ps(values, _mm256_permutevar8x32_ps(values, rotate),
                                    _mm256_castsi256_ps(above));
    __m256i moved_tags = _mm256_blendv_epi8(tags, _mm256_permutevar8x32_epi32(tags, rotate), above);
    moved = _mm256_blendv_ps(moved, _mm256_set1_ps(distance), _mm256_castsi256_ps(here));
    moved_tags = _mm256_blendv_epi8(moved_tags, _mm256_set1_epi32(static_cast<int>(tagged)), here);
    _mm256_store_ps(d + block, moved);
    _mm256_store_si256(reinterpret_cast<__m256i*>(t + block), moved_tags);
    return block + static_cast<size_t>(place);
  }

  static constexpr size_t kMostMerged = 0;

  static VITRINE_ALWAYS_INLINE size_t NextUnexpanded(const CandidatePool& pool, size_t from) {
    for (size_t block = from & ~size_t{7}; block < pool.size; block += 8) {
      const __m256 tags = _mm256_load_ps(reinterpret_cast<const float*>(pool.tagged + block));
      unsigned open = ~static_cast<unsigned>(_mm256_movemask_ps(tags)) & 0xffu;
      if (block < from) open &= ~0u << (from - block);
      if (open == 0) continue;
      const size_t found = block + static_cast<size_t>(std::countr_zero(open));
      return found < pool.size ? found : pool.size;
    }
    return pool.size;
  }

  static VITRINE_ALWAYS_INLINE uint32_t LessMask(const float* distances, float bound) {
    const __m256 limit = _mm256_set1_ps(bound);
    const int low = _mm256_movemask_ps(_mm256_cmp_ps(_mm256_load_ps(distances), limit, _CMP_LT_OQ));
    const int high =
        _mm256_movemask_ps(_mm256_cmp_ps(_mm256_load_ps(distances + 8), limit, _CMP_LT_OQ));
    return static_cast<uint32_t>(low) | static_cast<uint32_t>(high) << 8;
  }
};

}  // namespace

const WalkTable kWalksAvx2 = {InstructionSet::kAvx2, &Walk<Avx2Isa>, &WalkCounted<Avx2Isa>,
                              &WalkInterleaved<Avx2Isa>};

VITRINE_TARGET_END

}  // namespace vitrine

#endif
