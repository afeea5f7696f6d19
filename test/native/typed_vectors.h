#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "index/metric.h"
#include "index/vector_type.h"

namespace vitrine {

inline constexpr VectorType kVectorTypes[] = {VectorType::kF32,  VectorType::kF16,
                                              VectorType::kBf16, VectorType::kI8,
                                              VectorType::kU8,   VectorType::kBits};
inline constexpr Metric kMetrics[] = {Metric::kL2, Metric::kCosine, Metric::kIp, Metric::kHamming,
                                      Metric::kJaccard};

// A type of vectors and a metric that goes with it.
struct TypedMetric {
  VectorType type;
  Metric metric;

  std::string Name() const {
    return std::string(NameOf(type)) + "_" + std::string(kMetricNames[static_cast<size_t>(metric)]);
  }
};

inline std::vector<TypedMetric> AllTypedMetrics() {
  std::vector<TypedMetric> all;
  for (const VectorType type : kVectorTypes) {
    for (const Metric metric : kMetrics) {
      if (MetricFits(type, metric)) all.push_back({type, metric});
    }
  }
  return all;
}

// The float of 16 bits nearest to a number, by its definition; of two the even one.
inline uint16_t NearestHalf(double value, int significand, int bias) {
  const int exponent = value == 0 ? 1 - bias : std::max(std::ilogb(value), 1 - bias);
  const double steps = std::nearbyint(std::ldexp(std::abs(value), significand - exponent));
  const double bits = steps + std::ldexp(exponent + bias - 1, significand);
  const double infinity = std::ldexp(2 * bias + 1, significand);
  return static_cast<uint16_t>(static_cast<uint32_t>(std::min(bits, infinity)) |
                               (std::signbit(value) ? 0x8000u : 0u));
}

// Vectors of a type from numbers: rounded to it, bits of those that are above 0.
inline std::vector<std::byte> Encoded(VectorType type, std::span<const float> numbers) {
  std::vector<std::byte> bytes(VectorBytes(type, numbers.size()));
  const auto store = [&](size_t i, auto element) {
    std::memcpy(bytes.data() + i * sizeof(element), &element, sizeof(element));
  };
  for (size_t i = 0; i < numbers.size(); ++i) {
    switch (type) {
      case VectorType::kF32:
        store(i, numbers[i]);
        break;
      case VectorType::kF16:
        store(i, NearestHalf(numbers[i], 10, 15));
        break;
      case VectorType::kBf16:
        store(i, NearestHalf(numbers[i], 7, 127));
        break;
      case VectorType::kI8:
        store(i, static_cast<int8_t>(std::clamp(std::nearbyint(numbers[i]), -128.f, 127.f)));
        break;
      case VectorType::kU8:
        store(i, static_cast<uint8_t>(std::clamp(std::nearbyint(numbers[i]), 0.f, 255.f)));
        break;
      case VectorType::kBits:
        if (numbers[i] > 0) bytes[i / 8] |= static_cast<std::byte>(1 << (i % 8));
        break;
    }
  }
  return bytes;
}

// The components of a vector, those of bits 0 or 1, by the definitions of the types.
inline std::vector<double> Components(VectorType type, const std::byte* vector, size_t dimension) {
  std::vector<double> components(dimension);
  const auto half = [&](size_t i, int significand, int bias) {
    uint16_t bits;
    std::memcpy(&bits, vector + 2 * i, sizeof(bits));
    const int exponent = (bits & 0x7fff) >> significand;
    const int fraction = bits & ((1 << significand) - 1);
    const int steps = exponent == 0 ? fraction : fraction + (1 << significand);
    const double magnitude = std::ldexp(steps, std::max(exponent, 1) - bias - significand);
    return (bits & 0x8000) != 0 ? -magnitude : magnitude;
  };
  for (size_t i = 0; i < dimension; ++i) {
    switch (type) {
      case VectorType::kF32: {
        float component;
        std::memcpy(&component, vector + 4 * i, sizeof(component));
        components[i] = component;
        break;
      }
      case VectorType::kF16:
        components[i] = half(i, 10, 15);
        break;
      case VectorType::kBf16:
        components[i] = half(i, 7, 127);
        break;
      case VectorType::kI8:
        components[i] = static_cast<int8_t>(vector[i]);
        break;
      case VectorType::kU8:
        components[i] = static_cast<uint8_t>(vector[i]);
        break;
      case VectorType::kBits:
        components[i] = (static_cast<int>(vector[i / 8]) >> (i % 8)) & 1;
        break;
    }
  }
  return components;
}

// The distance by its definition, in f64.
inline double DefinedDistance(Metric metric, const std::vector<double>& a,
                              const std::vector<double>& b) {
  double l2 = 0, dot = 0, aa = 0, bb = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    l2 += (a[i] - b[i]) * (a[i] - b[i]);
    dot += a[i] * b[i];
    aa += a[i] * a[i];
    bb += b[i] * b[i];
  }
  switch (metric) {
    case Metric::kL2:
    case Metric::kHamming:
      return l2;
    case Metric::kIp:
      return -dot;
    case Metric::kCosine:
      return aa == 0 || bb == 0 ? 1 : 1 - dot / std::sqrt(aa) / std::sqrt(bb);
    case Metric::kJaccard:
      return aa + bb == 0 ? 0 : 1 - dot / (aa + bb - dot);
  }
  return 0;
}

}  // namespace vitrine
