# Programs that were linked with a library of their own package look for it where it was built, too: not any longer.
find "$DESTDIR" -type f -size +51c | while IFS= read -r file; do
  case $(head -c 4 "$file" | od -An -c | tr -d ' ') in 177ELF) ;; *) continue ;; esac
  path=$(patchelf --print-rpath "$file" 2>/dev/null) || continue
  kept=$(echo "$path" | tr : '\n' | grep -v '^/build/' | paste -s -d : -)
  if [ "$kept" = "$path" ]; then continue; fi
  # Setting another one is what overwrites the text.
  patchelf --set-rpath "${kept:-/}" "$file"
  if [ -z "$kept" ]; then patchelf --remove-rpath "$file"; fi
done
