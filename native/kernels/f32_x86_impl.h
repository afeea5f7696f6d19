// Four floats, as f32_impl.h wants them; included inside the target regions and the unnamed
// namespaces of avx2.cc and avx512.cc.

struct X86Four {
  using Four = __m128;

  static VITRINE_ALWAYS_INLINE Four LoadFour(const float* p) { return _mm_loadu_ps(p); }
  static VITRINE_ALWAYS_INLINE void StoreFour(float* p, Four x) { _mm_storeu_ps(p, x); }
  static VITRINE_ALWAYS_INLINE Four FourOf(float x) { return _mm_set1_ps(x); }
  static VITRINE_ALWAYS_INLINE float FirstOf(Four x) { return _mm_cvtss_f32(x); }
  static VITRINE_ALWAYS_INLINE Four MultiplyFour(Four x, Four y) { return _mm_mul_ps(x, y); }
  static VITRINE_ALWAYS_INLINE Four SubFour(Four x, Four y) { return _mm_sub_ps(x, y); }
  static VITRINE_ALWAYS_INLINE Four NonzeroOf(Four x) { return _mm_cmpneq_ps(x, _mm_setzero_ps()); }
  static VITRINE_ALWAYS_INLINE Four AndFour(Four x, Four y) { return _mm_and_ps(x, y); }
  // MAXPS and MINPS give their second operand where either is NaN (Intel SDM, volume 2).
  static VITRINE_ALWAYS_INLINE Four ClampFour(Four x, Four low, Four high) {
    return _mm_min_ps(high, _mm_max_ps(low, x));
  }
};
