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

extern const WalkTable kWalksAvx512;

VITRINE_TARGET_BEGIN_AVX512

namespace {

#include "index/walk_impl.h"

struct Avx512Isa {
  static VITRINE_ALWAYS_INLINE size_t Collect(Slot node, const Links& links, Scratch& scratch) {
    const uint32_t* row = links.Row(node);
    const __m512i limit = _mm512_set1_epi32(static_cast<int>(scratch.slot_limit));
    const __m512i one = _mm512_set1_epi32(1);
    Slot* const out = scratch.step_slots + scratch.step_count;
    size_t found = 0;
    for (size_t i = 0; i < links.width(); i += 16) {
#if VITRINE_TSAN
      alignas(64) uint32_t words[16];
      for (size_t j = 0; j < 16; ++j) words[j] = links.Load(node, i + j);
      const __m512i slots = _mm512_load_si512(words);
      (void)row;
#else
      const __m512i slots = _mm512_load_si512(row + i);
      std::atomic_signal_fence(std::memory_order_acquire);  // x86 loads acquire by themselves
#endif
      // Fill edges and kNoSlot have their upper bit set, so they are no slots below the limit.
      const __mmask16 valid = _mm512_cmplt_epu32_mask(slots, limit);
      if (valid == 0) continue;
      const __m512i marks = _mm512_mask_i32gather_epi32(
          _mm512_setzero_si512(), valid, _mm512_srli_epi32(slots, 5), scratch.visited, 4);
      const __m512i bits = _mm512_sllv_epi32(one, _mm512_and_si512(slots, _mm512_set1_epi32(31)));
      const __mmask16 fresh = _mm512_mask_testn_epi32_mask(valid, marks, bits);
      // Compressed in a register: the form that writes to memory is slow on Zen 4.
      _mm512_storeu_si512(out + found, _mm512_maskz_compress_epi32(fresh, slots));
      found += static_cast<size_t>(std::popcount(static_cast<unsigned>(fresh)));
    }
    // Marks are set one by one, without a branch that would be hard to predict; a slot that
    // stands twice in a row that was being rewritten is taken once.
    size_t count = 0;
    for (size_t i = 0; i < found; ++i) {
      const Slot slot = out[i];
      const uint32_t bit = 1u << (slot % 32);
      uint32_t& word = scratch.visited[slot / 32];
      out[count] = slot;
      count += (word & bit) == 0 ? 1 : 0;
      word |= bit;
    }
    scratch.Log(out, count);
    return count;
  }

  static VITRINE_ALWAYS_INLINE size_t Insert(CandidatePool& pool, float distance, uint32_t tagged) {
    // Whole blocks of 16 move up by one, taking the last entry of the block below with them. Only
    // aligned loads and stores of whole blocks: they forward from one insert to the next.
    float* const d = pool.distance;
    uint32_t* const t = pool.tagged;
    size_t block = (pool.size - 1) & ~size_t{15};
    for (; block > 0 && d[block - 1] > distance; block -= 16) {
      const __m512i values = _mm512_load_si512(d + block);
      const __m512i tags = _mm512_load_si512(t + block);
      _mm512_store_si512(d + block,
                         _mm512_alignr_epi32(values, _mm512_load_si512(d + block - 16), 15));
      _mm512_store_si512(t + block,
                         _mm512_alignr_epi32(tags, _mm512_load_si512(t + block - 16), 15));
    }
    const __m512i values = _mm512_load_si512(d + block);
    const __m512i tags = _mm512_load_si512(t + block);
    // Entries that stay come first; lanes beyond the pool's end may hold anything, so they are
    // kept out of the count.
    const size_t used = pool.size - 1 - block;
    const __mmask16 live = static_cast<__mmask16>(used >= 16 ? 0xffffu : (1u << used) - 1);
    const __mmask16 stay = _mm512_mask_cmp_ps_mask(live, _mm512_castsi512_ps(values),
                                                   _mm512_set1_ps(distance), _CMP_LE_OQ);
    const unsigned place = static_cast<unsigned>(std::popcount(static_cast<unsigned>(stay)));
    const __mmask16 here = static_cast<__mmask16>(1u << place);
    const __mmask16 above = static_cast<__mmask16>(0xfffeu << place);
    __m512i moved = _mm512_mask_alignr_epi32(values, above, values, values, 15);
    __m512i moved_tags = _mm512_mask_alignr_epi32(tags, above, tags, tags, 15);
    moved = _mm512_mask_mov_epi32(moved, here, _mm512_castps_si512(_mm512_set1_ps(distance)));
    moved_tags =
        _mm512_mask_mov_epi32(moved_tags, here, _mm512_set1_epi32(static_cast<int>(tagged)));
    _mm512_store_si512(d + block, moved);
    _mm512_store_si512(t + block, moved_tags);
    return block + place;
  }

  // Small pools stay in registers meanwhile, and each insert is the same few instructions wherever
  // it goes: no branch, and nothing to wait for but the insert before. Ten blocks and twelve, which
  // the registers hold too, gain a thirtieth and nothing.
  static constexpr size_t kMostMerged = 128;
  static VITRINE_ALWAYS_INLINE void Merge(CandidatePool& pool, uint32_t near,
                                          const float* distances, const Slot* slots) {
    if (pool.ef <= 16) return MergeBlocks<1>(pool, near, distances, slots);
    if (pool.ef <= 32) return MergeBlocks<2>(pool, near, distances, slots);
    if (pool.ef <= 48) return MergeBlocks<3>(pool, near, distances, slots);
    if (pool.ef <= 64) return MergeBlocks<4>(pool, near, distances, slots);
    if (pool.ef <= 96) return MergeBlocks<6>(pool, near, distances, slots);
    MergeBlocks<8>(pool, near, distances, slots);
  }

  template <size_t kBlocks>
  static VITRINE_ALWAYS_INLINE void MergeBlocks(CandidatePool& pool, uint32_t near,
                                                const float* distances, const Slot* slots) {
    const __m512 infinity = _mm512_set1_ps(std::numeric_limits<float>::infinity());
    __m512i values[kBlocks], tags[kBlocks];
    for (size_t b = 0; b < kBlocks; ++b) {
      // What lies behind the pool's end is further than anything.
      const size_t used = pool.size < 16 * b ? 0 : pool.size - 16 * b;
      const auto live = static_cast<__mmask16>(used >= 16 ? 0xffffu : (1u << used) - 1);
      values[b] = _mm512_castps_si512(_mm512_mask_load_ps(infinity, live, pool.distance + 16 * b));
      tags[b] = _mm512_load_si512(pool.tagged + 16 * b);
    }
    const size_t size = pool.size + static_cast<size_t>(std::popcount(near));
    for (; near != 0; near &= near - 1) {
      const auto j = static_cast<size_t>(std::countr_zero(near));
      const __m512 distance = _mm512_set1_ps(distances[j]);
      const __m512i tag = _mm512_set1_epi32(static_cast<int>(slots[j]));
      for (size_t b = kBlocks; b-- > 0;) {
        // Lanes keep what they have up to the new entry, then comes that, then what stood before.
        const __m512i below = b == 0 ? _mm512_castps_si512(-infinity) : values[b - 1];
        const __m512i shifted = _mm512_alignr_epi32(values[b], below, 15);
        const __m512i shifted_tags = _mm512_alignr_epi32(tags[b], b == 0 ? tag : tags[b - 1], 15);
        const __mmask16 moves =
            _mm512_cmp_ps_mask(_mm512_castsi512_ps(values[b]), distance, _CMP_NLE_UQ);
        const __mmask16 passes =
            _mm512_cmp_ps_mask(_mm512_castsi512_ps(shifted), distance, _CMP_NLE_UQ);
        const __m512i arrives =
            _mm512_mask_mov_epi32(_mm512_castps_si512(distance), passes, shifted);
        const __m512i arrives_tag = _mm512_mask_mov_epi32(tag, passes, shifted_tags);
        values[b] = _mm512_mask_mov_epi32(values[b], moves, arrives);
        tags[b] = _mm512_mask_mov_epi32(tags[b], moves, arrives_tag);
      }
    }
    for (size_t b = 0; b < kBlocks; ++b) {
      _mm512_store_si512(pool.distance + 16 * b, values[b]);
      _mm512_store_si512(pool.tagged + 16 * b, tags[b]);
    }
    pool.size = std::min(size, pool.ef);
  }

  static VITRINE_ALWAYS_INLINE size_t NextUnexpanded(const CandidatePool& pool, size_t from) {
    for (size_t block = from & ~size_t{15}; block < pool.size; block += 16) {
      unsigned open = static_cast<unsigned>(
          static_cast<uint16_t>(~_mm512_movepi32_mask(_mm512_load_si512(pool.tagged + block))));
      if (block < from) open &= ~0u << (from - block);
      if (open == 0) continue;
      const size_t found = block + static_cast<size_t>(std::countr_zero(open));
      return found < pool.size ? found : pool.size;
    }
    return pool.size;
  }

  static VITRINE_ALWAYS_INLINE uint32_t LessMask(const float* distances, float bound) {
    return _mm512_cmp_ps_mask(_mm512_load_ps(distances), _mm512_set1_ps(bound), _CMP_LT_OQ);
  }
};

}  // namespace

const WalkTable kWalksAvx512 = {InstructionSet::kAvx512, &Walk<Avx512Isa>, &WalkCounted<Avx512Isa>,
                                &WalkInterleaved<Avx512Isa>};

VITRINE_TARGET_END

}  // namespace vitrine

#endif
