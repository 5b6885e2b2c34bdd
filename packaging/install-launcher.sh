#!/bin/sh
# An entry in the menu of the desktop, and .ilp files that open by a double click; for the one who runs it.
#   sh packaging/install-launcher.sh            # --remove takes it away
set -eu

here=$(cd "$(dirname "$0")" && pwd)
data=${XDG_DATA_HOME:-$HOME/.local/share}
entry=$data/applications/underbrush.desktop
types=$data/mime/packages/underbrush-mime.xml
icon=$data/icons/hicolor/scalable/apps/underbrush.svg

refresh() {
    # Both are optional: desktops also look by themselves, some of them at the next login.
    if command -v update-mime-database >/dev/null; then update-mime-database "$data/mime"; fi
    if command -v update-desktop-database >/dev/null; then update-desktop-database "$data/applications"; fi
}

if [ "${1:-}" = --remove ]; then
    rm -f "$entry" "$types" "$icon"
    refresh
    echo "Removed."
    exit 0
fi
if [ $# -gt 0 ]; then
    echo "usage: sh $0 [--remove]" >&2
    exit 2
fi

program=${UNDERBRUSH:-$(command -v underbrush || true)}
if [ -z "$program" ] && [ -x "$here/../.venv/bin/underbrush" ]; then
    program=$(cd "$here/../.venv/bin" && pwd)/underbrush
fi
if [ -z "$program" ]; then
    echo "underbrush is not on the PATH; install it first, or name it: UNDERBRUSH=/path/to/underbrush sh $0" >&2
    exit 1
fi

mkdir -p "$(dirname "$entry")" "$(dirname "$types")" "$(dirname "$icon")"
# In an entry a program's path stands in quotes, with four characters and then backslashes and percent signs escaped.
quoted=$(printf '%s' "$program" | sed -e 's/[\\"`$]/\\&/g' -e 's/\\/\\\\/g' -e 's/%/%%/g')
while IFS= read -r line; do
    case $line in
        Exec=*) printf 'Exec="%s" %%F\n' "$quoted" ;;
        *) printf '%s\n' "$line" ;;
    esac
done <"$here/underbrush.desktop" >"$entry"
cp "$here/underbrush-mime.xml" "$types"
cp "$here/underbrush.svg" "$icon"
refresh
echo "In the menu: Underbrush. Project files (.ilp) open with it; --remove takes it away."
