def small_table(lines): return ""
