# shellcheck shell=bash
# Code for the stack's git server, and specs with the stack's addresses. The same code has the same
# commit, whenever and wherever it is published.

export GIT_AUTHOR_NAME=Kilnworks GIT_AUTHOR_EMAIL=kiln@example.com GIT_AUTHOR_DATE='2026-01-01T00:00:00Z'
export GIT_COMMITTER_NAME=$GIT_AUTHOR_NAME GIT_COMMITTER_EMAIL=$GIT_AUTHOR_EMAIL
export GIT_COMMITTER_DATE=$GIT_AUTHOR_DATE GIT_CONFIG_GLOBAL=/dev/null

[[ -n ${KILN_GIT_ROOT:-} ]] || fail 'KILN_GIT_ROOT is not set: this needs a git server whose repositories lie on this machine'

# publish FOLDER REPOSITORY MESSAGE: the folder becomes the one commit of the branch main.
publish() {
  local repository=$KILN_GIT_ROOT/$2 tree commit
  [[ -d $repository ]] || git init --quiet --bare --initial-branch main "$repository"
  export GIT_DIR=$repository GIT_WORK_TREE=$1
  export GIT_INDEX_FILE=$repository/example.index
  rm -f "$GIT_INDEX_FILE"
  git -C "$GIT_WORK_TREE" add --all --force .
  tree=$(git write-tree)
  commit=$(git commit-tree "$tree" -m "$3")
  git update-ref refs/heads/main "$commit"
  unset GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE
}

# filled SPEC: the spec with the stack's addresses.
filled() {
  local spec name
  spec=$(<"$1")
  for name in KILN_REGISTRY KILN_GIT_URL KILN_BASE_IMAGE; do
    spec=${spec//\$\{$name\}/${!name}}
  done
  printf '%s\n' "$spec"
}
