# SPDX-License-Identifier: Apache-2.0
"""mkgguf.py FILE: a tiny llama model with random weights, about half a megabyte.

True protocol, true timing, nonsense text. The tokenizer is byte-level BPE with one token for each of a
few dozen words; the weights of the output layer lean on channel 0 of the residual stream, which the
embedding keeps large, so that whole words come out and the end of the answer is rare.
"""

import sys

import gguf
import numpy as np

WIDTH, LAYERS, HEADS, FEED, CONTEXT = 64, 2, 4, 128, 4096
WORDS = """the and of to in is it on for with from this that are was all can one more when some there about
time answer model span kernel token probe byte stream small large early late never often green quiet
river stone light paper garden winter morning""".split()
SPECIAL = ["<|end|>", "<|system|>", "<|user|>", "<|assistant|>"]


def byte_alphabet():
    """GPT-2's printable stand-in for each byte (tokenizer "gpt2" in llama.cpp)."""
    shown = list(range(33, 127)) + list(range(161, 173)) + list(range(174, 256))
    table = {byte: chr(byte) for byte in shown}
    for rank, byte in enumerate(b for b in range(256) if b not in table):
        table[byte] = chr(256 + rank)
    return [table[byte] for byte in range(256)]


def vocabulary():
    alphabet = byte_alphabet()
    tokens, merges = list(alphabet), []
    for word in WORDS:
        left = alphabet[ord(" ")]
        for letter in word:
            if f"{left} {letter}" not in merges:
                merges.append(f"{left} {letter}")
            left += letter
            if left not in tokens:
                tokens.append(left)
    words = [tokens.index(alphabet[ord(" ")] + word) for word in WORDS]
    return tokens, merges, words


def main(path):
    rng = np.random.default_rng(20261123)
    tokens, merges, words = vocabulary()
    types = [gguf.TokenType.NORMAL] * len(tokens) + [gguf.TokenType.CONTROL] * len(SPECIAL)
    end = len(tokens)
    tokens += SPECIAL

    out = gguf.GGUFWriter(path, "llama")
    out.add_name("kernspan laboratory, random weights")
    out.add_context_length(CONTEXT)
    out.add_embedding_length(WIDTH)
    out.add_block_count(LAYERS)
    out.add_feed_forward_length(FEED)
    out.add_head_count(HEADS)
    out.add_head_count_kv(HEADS)
    out.add_layer_norm_rms_eps(1e-5)
    out.add_rope_dimension_count(WIDTH // HEADS)
    out.add_vocab_size(len(tokens))
    out.add_file_type(gguf.LlamaFileType.ALL_F32)
    out.add_tokenizer_model("gpt2")
    out.add_tokenizer_pre("gpt-2")
    out.add_token_list(tokens)
    out.add_token_types(types)
    out.add_token_merges(merges)
    out.add_bos_token_id(end)
    out.add_eos_token_id(end)
    out.add_add_bos_token(False)
    out.add_chat_template("{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}"
                          "{% if add_generation_prompt %}<|assistant|>{% endif %}")

    def noise(*shape, scale=0.2):
        return (rng.standard_normal(shape) * scale).astype(np.float32)

    def quiet(matrix):
        """A layer that leaves channel 0 of the residual stream alone."""
        matrix[0, :] = 0
        return matrix

    embedding = noise(len(tokens), WIDTH)
    embedding[:, 0] = 6
    head = noise(len(tokens), WIDTH, scale=0.12)
    head[:, 0] = -4
    head[words, 0] = 0
    head[end, 0] = -0.5
    out.add_tensor("token_embd.weight", embedding)
    out.add_tensor("output_norm.weight", np.ones(WIDTH, np.float32))
    out.add_tensor("output.weight", head)
    for layer in range(LAYERS):
        for name in ("attn_norm", "ffn_norm"):
            out.add_tensor(f"blk.{layer}.{name}.weight", np.ones(WIDTH, np.float32))
        for name in ("attn_q", "attn_k", "attn_v"):
            out.add_tensor(f"blk.{layer}.{name}.weight", noise(WIDTH, WIDTH))
        out.add_tensor(f"blk.{layer}.attn_output.weight", quiet(noise(WIDTH, WIDTH)))
        out.add_tensor(f"blk.{layer}.ffn_gate.weight", noise(FEED, WIDTH))
        out.add_tensor(f"blk.{layer}.ffn_up.weight", noise(FEED, WIDTH))
        out.add_tensor(f"blk.{layer}.ffn_down.weight", quiet(noise(WIDTH, FEED, scale=0.1)))
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()


if __name__ == "__main__":
    main(sys.argv[1])
