// What the kernels on codes share on x86-64; included inside the target region and the unnamed
// namespace of codes_avx2.cc, and by codes_avx512_impl.h.

struct X86Parities {
  // Digits in either half of a byte meet in its highest bit. Sixteen bits move at a time: what
  // comes there is of the same byte.
  static VITRINE_ALWAYS_INLINE uint32_t LowestBits(const uint8_t* p, size_t n) {
    __m256i bytes = _mm256_setzero_si256();
    for (size_t i = 0; i < n; i += 32) {
      bytes = _mm256_xor_si256(bytes, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p + i)));
    }
    bytes = _mm256_xor_si256(_mm256_slli_epi16(bytes, 7), _mm256_slli_epi16(bytes, 3));
    return static_cast<uint32_t>(_mm256_movemask_epi8(bytes));
  }
};
