/* SPDX-License-Identifier: Apache-2.0 */
/* What a client program saw of one call, as one JSON line; shared by the Node clients. */
export class Seen {
  constructor(call, requestModel, stream) {
    this.row = {
      call, request_model: requestModel, stream, ok: false, status: null, error: null, model: null, id: null,
      input: null, output: null, finish: null, tools: [], chunks: 0, ttfc: null, total: null, text: "",
    };
    this.start = process.hrtime.bigint();
  }
  #now() {
    return Number(process.hrtime.bigint() - this.start) / 1e9;
  }
  chunk() {
    this.row.ttfc ??= this.#now();
    this.row.chunks++;
  }
  text(piece) {
    this.row.text += piece ?? "";
  }
  failed(status, error) {
    Object.assign(this.row, { status, error });
  }
  done() {
    Object.assign(this.row, { ok: true, status: 200 });
  }
  show() {
    this.row.total = this.#now();
    console.log(JSON.stringify(this.row));
  }
}
