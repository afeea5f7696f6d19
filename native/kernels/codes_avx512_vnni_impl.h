// The kernels on codes with dot products of bytes; included inside the target regions and the
// unnamed namespaces of codes_avx512_vnni.cc and codes_avx512_vpopcntdq.cc, behind
// codes_avx512_impl.h.

// VPDPBUSD adds four products of an unsigned and a signed byte to each 32-bit lane, and wraps.
struct Avx512VnniCodes : Avx512Integers, Avx512Hadamard {
  static VITRINE_ALWAYS_INLINE Sum32 Dot(Sum32 sum, Bytes u8x64, Bytes i8x64) {
    return _mm512_dpbusd_epi32(sum, u8x64, i8x64);
  }
  static VITRINE_ALWAYS_INLINE Bytes FlipSigns(Bytes x) {
    return _mm512_xor_si512(x, _mm512_set1_epi8(-128));
  }
  static VITRINE_ALWAYS_INLINE Sum32 MultiplyAdd(Sum32 sum, Wide x, Wide y) {
    return _mm512_dpwssd_epi32(sum, x, y);
  }

  struct ByteTerm {
    using Query = Bytes;
    static constexpr size_t kStep = 64;
    static VITRINE_ALWAYS_INLINE Query Load(const void* p) { return Avx512VnniCodes::Load(p); }
    static VITRINE_ALWAYS_INLINE Query LoadFirst(const void* p, size_t n) {
      return Avx512VnniCodes::LoadFirst(p, n);
    }
  };

  struct DotI8U8 : ByteTerm {
    static constexpr int kFlip = 0;
    static VITRINE_ALWAYS_INLINE Sum32 Step(Sum32 sum, Query query, const uint8_t* row) {
      return Dot(sum, Load(row), query);
    }
    static VITRINE_ALWAYS_INLINE Sum32 StepFirst(Sum32 sum, Query query, const uint8_t* row,
                                                 size_t n) {
      return Dot(sum, LoadFirst(row, n), query);
    }
  };

  // Rows become signed by taking 128 off. Where the row has ended, the query is zero.
  struct DotU8 : ByteTerm {
    static constexpr int kFlip = 1;
    static VITRINE_ALWAYS_INLINE Sum32 Step(Sum32 sum, Query query, const uint8_t* row) {
      return Dot(sum, query, FlipSigns(Load(row)));
    }
    static VITRINE_ALWAYS_INLINE Sum32 StepFirst(Sum32 sum, Query query, const uint8_t* row,
                                                 size_t n) {
      return Dot(sum, query, FlipSigns(LoadFirst(row, n)));
    }
    static VITRINE_ALWAYS_INLINE Sum32 AddQuery(Sum32 sum, Query query) {
      return Dot(sum, query, _mm512_set1_epi8(1));
    }
  };

  // Rows become unsigned by adding 128.
  struct DotI8 : ByteTerm {
    static constexpr int kFlip = -1;
    static VITRINE_ALWAYS_INLINE Sum32 Step(Sum32 sum, Query query, const int8_t* row) {
      return Dot(sum, FlipSigns(Load(row)), query);
    }
    static VITRINE_ALWAYS_INLINE Sum32 StepFirst(Sum32 sum, Query query, const int8_t* row,
                                                 size_t n) {
      return Dot(sum, FlipSigns(LoadFirst(row, n)), query);
    }
    static VITRINE_ALWAYS_INLINE Sum32 AddQuery(Sum32 sum, Query query) {
      return Dot(sum, _mm512_set1_epi8(1), query);
    }
  };

  using L2U8 = WidenedTerm<Avx512VnniCodes, uint8_t, uint8_t, true>;
  using L2I8 = WidenedTerm<Avx512VnniCodes, int8_t, int8_t, true>;

  // High digits are multiplied where they stand, times 16: no shift a row, but one at the end,
  // which loses nothing. |sum| <= 16 * 15 * 128 * 32,768 < 2^31.
  struct U4Sum {
    __m512i low_i32x16, high_i32x16;
  };
  static constexpr size_t kU4Blocks = ~size_t{0};
  static VITRINE_ALWAYS_INLINE U4Sum ZeroU4() { return {Zero(), Zero()}; }
  static VITRINE_ALWAYS_INLINE U4Sum StepU4(U4Sum sum, Bytes digits, Bytes low, Bytes high) {
    return {Dot(sum.low_i32x16, _mm512_and_si512(digits, _mm512_set1_epi8(15)), low),
            Dot(sum.high_i32x16, _mm512_and_si512(digits, _mm512_set1_epi8(-16)), high)};
  }
  static VITRINE_ALWAYS_INLINE U4Sum FlushU4(U4Sum sum) { return sum; }
  static VITRINE_ALWAYS_INLINE Sum32 TotalU4(U4Sum sum) {
    return Add(sum.low_i32x16, _mm512_maskz_srai_epi32(0xffff, sum.high_i32x16, 4));
  }
};
