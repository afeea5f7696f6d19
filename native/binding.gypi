# What users build: node-gyp and prebuildify, by the binding.gyp that scripts/build-native.mjs writes.
# CMakeLists.txt builds the same sources, with the same defines and flags, for native tests,
# sanitizers and fuzzers; both read native/sources.gypi.
{
  "includes": ["sources.gypi"],
  "targets": [
    {
      "target_name": "vitrine",
      # The sources of native/sources.gypi, most of them several to a unit: half the time to compile.
      # The binding first: it takes longest, and a core that gets it last leaves the others idle.
      "sources": [
        "<!@(node scripts/joined-sources.mjs binding)",
        "<!@(node scripts/joined-sources.mjs engine)",
      ],
      "include_dirs": ["."],
      "defines": ["<@(vitrine_defines)"],
      # Node's common.gypi switches exceptions off, which would turn an allocation failure into an
      # abort of the process; its language standard differs from one Node version to the next.
      # GCC 12 falsely finds uninitialised values in its own AVX-512 headers, and overflows in its own
      # std::vector; Clang's checks and the sanitizers remain.
      "cflags_cc!": ["-fno-exceptions", "-fno-rtti", "-std=gnu++17", "-std=gnu++20"],
      "cflags_cc": ["<@(vitrine_cflags_cc)"],
      "configurations": {
        "Release": {
          "defines": ["<@(vitrine_release_defines)"],
          "cflags_cc": ["<@(vitrine_release_cflags_cc)"],
          "xcode_settings": {"GCC_OPTIMIZATION_LEVEL": "3"},
          "msvs_settings": {"VCCLCompilerTool": {"RuntimeTypeInfo": "true"}},
        },
      },
      # Xcode's settings replace cflags_cc. Its own names for standard, exceptions and RTTI must be
      # set as well, for common.gypi sets them.
      "xcode_settings": {
        "CLANG_CXX_LANGUAGE_STANDARD": "c++20",
        "CLANG_CXX_LIBRARY": "libc++",
        "GCC_ENABLE_CPP_EXCEPTIONS": "YES",
        "GCC_ENABLE_CPP_RTTI": "YES",
        "GCC_SYMBOLS_PRIVATE_EXTERN": "YES",
        "MACOSX_DEPLOYMENT_TARGET": "11.0",
        "OTHER_CPLUSPLUSFLAGS": ["<@(vitrine_cflags_cc)"],
      },
      # _HAS_EXCEPTIONS=0 comes from common.gypi; /fp:precise neither contracts nor reorders.
      "defines!": ["_HAS_EXCEPTIONS=0"],
      "msvs_settings": {
        "VCCLCompilerTool": {
          "ExceptionHandling": 1,
          "AdditionalOptions!": ["-std:c++17", "-std:c++20"],
          "AdditionalOptions": ["/std:c++20", "/fp:precise", "/utf-8", "/Zc:__cplusplus"],
        },
      },
      "conditions": [
        ["OS=='win'", {"defines": ["NOMINMAX", "WIN32_LEAN_AND_MEAN"]}],
      ],
    },
  ],
}
