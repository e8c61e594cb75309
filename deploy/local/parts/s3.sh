#!/usr/bin/env bash
# S3: a gateway over a directory. Three accounts: root, that only this script
# uses; `worker`, that owns the bucket; `reader`, Kaniko's, that may read
# objects by their key and nothing else.
. "$(dirname "$0")/../lib.sh"

endpoint=http://127.0.0.1:$PORT_S3
answers=(http "$endpoint/health")
if ! up_already s3 "${answers[@]}"; then
  mkdir -p "$LOCAL/s3" "$LOCAL/s3-accounts"
  ROOT_ACCESS_KEY=root ROOT_SECRET_KEY=$(secret s3-root) \
    start_part s3 "$BIN/versitygw" --quiet --health /health --port "127.0.0.1:$PORT_S3" \
    --iam-dir "$LOCAL/s3-accounts" posix "$LOCAL/s3"
  wait_for s3 20 "${answers[@]}"
fi

# The note lies with the accounts, and goes when they go.
[[ -e $LOCAL/s3-accounts/ready ]] && exit
admin() {
  ADMIN_ACCESS_KEY=root ADMIN_SECRET_KEY=$(secret s3-root) ADMIN_ENDPOINT_URL=$endpoint \
    "$BIN/versitygw" admin "$@"
}
accounts=$(admin list-users)
for name in worker reader; do
  [[ $accounts == *"$name"* ]] || admin create-user --access "$name" --secret "$(secret "s3-$name")" --role user
done
[[ -d $LOCAL/s3/$BUCKET ]] || admin create-bucket --owner worker --bucket "$BUCKET"
# A bucket that has a policy asks nothing else, not even who owns it.
policy=$(jq -nc --arg bucket "arn:aws:s3:::$BUCKET" '{Version: "2012-10-17", Statement: [
  {Effect: "Allow", Principal: {AWS: ["worker"]}, Action: "s3:*", Resource: [$bucket, "\($bucket)/*"]},
  {Effect: "Allow", Principal: {AWS: ["reader"]}, Action: "s3:GetObject", Resource: "\($bucket)/contexts/*"}]}')
http "$endpoint/$BUCKET?policy=" --request PUT --data "$policy" \
  --aws-sigv4 aws:amz:us-east-1:s3 --config - <<<"user = \"root:$(secret s3-root)\"" \
  --header "x-amz-content-sha256: $(printf %s "$policy" | sha256sum | cut -d' ' -f1)" ||
  fail "s3: the policy of bucket $BUCKET was refused"
touch "$LOCAL/s3-accounts/ready"
say "s3 ... made bucket $BUCKET"
