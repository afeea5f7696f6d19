{ "includes": ["native/binding.gypi"] }
