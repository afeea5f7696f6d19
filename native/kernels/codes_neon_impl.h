// What the kernels on codes share with and without dot products; included inside the unnamed
// namespaces of codes_neon.cc and codes_neon_dotprod.cc.

struct NeonCommon {
  using Sum32 = uint32x4_t;
  static VITRINE_ALWAYS_INLINE Sum32 Zero() { return vdupq_n_u32(0); }
  static VITRINE_ALWAYS_INLINE Sum32 Add(Sum32 x, Sum32 y) { return vaddq_u32(x, y); }
  static VITRINE_ALWAYS_INLINE uint32_t Total(Sum32 sum_u32x4) { return vaddvq_u32(sum_u32x4); }

  static VITRINE_ALWAYS_INLINE void Total4(Sum32 a, Sum32 b, Sum32 c, Sum32 d, uint32_t* out) {
    vst1q_u32(out, vpaddq_u32(vpaddq_u32(a, b), vpaddq_u32(c, d)));
  }

  using Bytes = uint8x16_t;
  static constexpr size_t kBytes = 16;
  static VITRINE_ALWAYS_INLINE Bytes Load(const void* p) {
    return vld1q_u8(static_cast<const uint8_t*>(p));
  }
  // NEON has no masked load.
  static VITRINE_ALWAYS_INLINE Bytes LoadFirst(const void* p, size_t n) {
    uint8_t bytes[kBytes] = {};
    std::memcpy(bytes, p, n);
    return vld1q_u8(bytes);
  }

  static VITRINE_ALWAYS_INLINE Bytes And(Bytes x, Bytes y) { return vandq_u8(x, y); }
  static VITRINE_ALWAYS_INLINE Bytes Xor(Bytes x, Bytes y) { return veorq_u8(x, y); }
  static VITRINE_ALWAYS_INLINE Sum32 AddBits(Sum32 sum, Bytes x) {
    return vpadalq_u16(sum, vpaddlq_u8(vcntq_u8(x)));
  }

  // A bit of its own for each byte, and the sum of eight.
  static VITRINE_ALWAYS_INLINE uint32_t LowestBits(const uint8_t* p, size_t n) {
    Bytes first = vdupq_n_u8(0), second = first;
    for (size_t i = 0; i < n; i += 32) {
      first = veorq_u8(first, Load(p + i));
      second = veorq_u8(second, Load(p + i + 16));
    }
    const Bytes one = vdupq_n_u8(1);
    const int8x8_t eight = vcreate_s8(0x0706050403020100);
    const int8x16_t places = vcombine_s8(eight, eight);
    first = vshlq_u8(vandq_u8(veorq_u8(first, vshrq_n_u8(first, 4)), one), places);
    second = vshlq_u8(vandq_u8(veorq_u8(second, vshrq_n_u8(second, 4)), one), places);
    return uint32_t{vaddv_u8(vget_low_u8(first))} | uint32_t{vaddv_u8(vget_high_u8(first))} << 8 |
           uint32_t{vaddv_u8(vget_low_u8(second))} << 16;
  }

  using Floats = float32x4_t;
  static constexpr size_t kLanes = 4;
  static VITRINE_ALWAYS_INLINE Floats LoadFloats(const float* p) { return vld1q_f32(p); }
  static VITRINE_ALWAYS_INLINE Floats Splat(float x) { return vdupq_n_f32(x); }
  static VITRINE_ALWAYS_INLINE void StoreFloats(float* p, Floats x) { vst1q_f32(p, x); }
  static VITRINE_ALWAYS_INLINE Floats AddFloats(Floats x, Floats y) { return vaddq_f32(x, y); }
  static VITRINE_ALWAYS_INLINE Floats SubFloats(Floats x, Floats y) { return vsubq_f32(x, y); }
  static VITRINE_ALWAYS_INLINE Floats MulFloats(Floats x, Floats y) { return vmulq_f32(x, y); }
  // kFirst, kSecond: ones in the lanes that take partner - own; the others take the sum.
  template <uint64_t kFirst, uint64_t kSecond>
  static VITRINE_ALWAYS_INLINE Floats Butterfly(Floats partner, Floats own) {
    const uint32x4_t differences =
        vreinterpretq_u32_u64(vcombine_u64(vcreate_u64(kFirst), vcreate_u64(kSecond)));
    return vbslq_f32(differences, vsubq_f32(partner, own), vaddq_f32(partner, own));
  }
  static VITRINE_ALWAYS_INLINE Floats HadamardWithin(Floats x) {
    x = Butterfly<0xffffffff00000000, 0xffffffff00000000>(vrev64q_f32(x), x);
    return Butterfly<0, 0xffffffffffffffff>(vextq_f32(x, x, 2), x);
  }
};
