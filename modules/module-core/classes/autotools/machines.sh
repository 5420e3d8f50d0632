# Releases know the machines of their day: these two scripts are replaced by the container's, which know today's.
find . -type f \( -name config.guess -o -name config.sub \) | while IFS= read -r file; do
  new=/usr/share/misc/${file##*/}
  if [ -e "$new" ]; then cp --remove-destination "$new" "$file"; fi
done
